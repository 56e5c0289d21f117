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

_EDGE: Final = 8.0
"""Around the drawing."""


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
class BoxSize:
    """How large steps are, and how far apart."""

    width: float
    height: float
    gap_x: float
    gap_y: float

    @property
    def step_x(self) -> float:
        """From one column to the next."""
        return self.width + self.gap_x

    @property
    def step_y(self) -> float:
        """From one row to the next."""
        return self.height + self.gap_y


_LABELLED: Final = BoxSize(width=148.0, height=30.0, gap_x=46.0, gap_y=12.0)
_BARE: Final = BoxSize(width=18.0, height=18.0, gap_x=30.0, gap_y=6.0)


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

    def draw(self, source: str, target: str) -> str | None:
        """Return a further edge as an SVG path; None if one of its ends is not drawn."""
        if source not in self.steps or target not in self.steps:
            return None
        one, other = self.steps[source], self.steps[target]
        return _draw(one, other, width=self.box_width, height=self.box_height)


def place_steps(needs: Mapping[str, Sequence[str]]) -> GraphLayout:
    """Return where steps stand. O((steps + needs) log steps).

    Args:
        needs: Step to what it needs, in an order in which each comes after what it needs.
    """
    is_labelled = len(needs) <= _FEW
    size = _LABELLED if is_labelled else _BARE
    layers = _order_layers(needs)
    rows = min(ROWS, max((len(names) for names in layers), default=1))
    steps: dict[str, PlacedStep] = {}
    column = 0
    for names in layers:
        top = (rows - min(ROWS, len(names))) * size.step_y / 2  # short layers stand in the middle
        for place, name in enumerate(names):
            steps[name] = PlacedStep(
                name=name,
                x=_EDGE + (column + place // ROWS) * size.step_x,
                y=_EDGE + top + place % ROWS * size.step_y,
            )
        column += (len(names) - 1) // ROWS + 1
    return GraphLayout(
        steps=steps,
        edges=[
            (source, name, _draw(steps[source], steps[name], width=size.width, height=size.height))
            for name, sources in needs.items()
            for source in sources
            if source in steps
        ],
        width=max(1, column) * size.step_x - size.gap_x + 2 * _EDGE,
        height=rows * size.step_y - size.gap_y + 2 * _EDGE,
        box_width=size.width,
        box_height=size.height,
        is_labelled=is_labelled,
    )


def _order_layers(needs: Mapping[str, Sequence[str]]) -> Sequence[Sequence[str]]:
    """Return the steps by how far from the start they stand, each layer from top to bottom."""
    depth: dict[str, int] = {}
    for name, sources in needs.items():
        depth[name] = max((depth[source] + 1 for source in sources if source in depth), default=0)
    layers: dict[int, list[str]] = {}
    for name in needs:
        layers.setdefault(depth[name], []).append(name)
    rank: dict[str, int] = {}
    ordered: list[Sequence[str]] = []
    for _, names in sorted(layers.items()):
        ordered.append(sorted(names, key=lambda name: _find_middle(needs[name], rank)))
        rank.update((name, place) for place, name in enumerate(ordered[-1]))
    return ordered


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
