"""Where the steps of a task graph stand on the page: in columns, each right of all that it needs.

Layers by longest path, the order within a layer by the median of what each step needs (Sugiyama,
Tagawa and Toda, "Methods for visual understanding of hierarchical system structures", 1981), one
sweep. A layer that is too high goes on in further columns: a thousand steps that need nothing are
a block and not a tower. Layout libraries draw such a layer as one line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Final

ROWS: Final = 28
"""Steps above one another, at most."""

_FEW: Final = 150
"""Up to so many steps, each has its name in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedStep:
    """A step's box.

    Attributes:
        name: Of the step.
        x: Of its left side.
        y: Of its upper side.
    """

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphLayout:
    """A drawing's measures.

    Attributes:
        steps: By name.
        edges: As SVG paths, with the names that they join.
        width: Of all.
        height: Of all.
        box_width: Of a step.
        box_height: Of a step.
        is_labelled: Whether steps have room for their names.
    """

    steps: Mapping[str, PlacedStep]
    edges: Sequence[tuple[str, str, str]]
    width: float
    height: float
    box_width: float
    box_height: float
    is_labelled: bool


def place_steps(needs: Mapping[str, Sequence[str]]) -> GraphLayout:
    """Return where steps stand.

    Args:
        needs: Step to what it needs, in an order in which each comes after what it needs.
    """
    is_labelled = len(needs) <= _FEW
    width, height, gap_x, gap_y = (148.0, 30.0, 46.0, 12.0) if is_labelled else (18, 18, 30, 6)
    depth: dict[str, int] = {}
    for name, sources in needs.items():
        depth[name] = max((depth[source] + 1 for source in sources if source in depth), default=0)
    layers: dict[int, list[str]] = {}
    for name in needs:
        layers.setdefault(depth[name], []).append(name)
    rank: dict[str, int] = {}
    steps: dict[str, PlacedStep] = {}
    column = 0
    for _, names in sorted(layers.items()):
        ordered = sorted(names, key=lambda name: _find_middle(needs[name], rank))
        for place, name in enumerate(ordered):
            rank[name] = place
            x = (column + place // ROWS) * (width + gap_x) + 8
            y = (place % ROWS) * (height + gap_y) + 8
            steps[name] = PlacedStep(name=name, x=x, y=y)
        column += (len(ordered) - 1) // ROWS + 1
    rows = min(ROWS, max((len(names) for names in layers.values()), default=1))
    return GraphLayout(
        steps=steps,
        edges=[
            (source, name, _draw(steps[source], steps[name], width=width, height=height))
            for name, sources in needs.items()
            for source in sources
            if source in steps
        ],
        width=column * (width + gap_x) - gap_x + 16,
        height=rows * (height + gap_y) - gap_y + 16,
        box_width=width,
        box_height=height,
        is_labelled=is_labelled,
    )


def _find_middle(sources: Sequence[str], rank: Mapping[str, int]) -> int:
    known = [rank[source] for source in sources if source in rank]
    return median_low(known) if known else 0


def _draw(one: PlacedStep, other: PlacedStep, *, width: float, height: float) -> str:
    """Return a curve from the right side of one box to the left side of another."""
    x, y = one.x + width, one.y + height / 2
    end_x, end_y = other.x, other.y + height / 2
    bend = max(16.0, (end_x - x) / 2)
    return (
        f"M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f} {end_x - bend:.0f} {end_y:.0f} "
        f"{end_x:.0f} {end_y:.0f}"
    )
