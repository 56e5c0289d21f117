"""Where the steps that a faulty value has reached stand: a small task graph of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from interlock.telemetry.metrics.fault_trails import FaultTrail, StepPlace
from interlock.telemetry.report.graph_layout import GraphLayout, PlacedStep, place_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailLayout:
    """A drawing of one trail.

    Attributes:
        layout: Its measures.
        origin: The box of the step that made the value.
        affected: The boxes of the steps that it has reached, in the trail's order.
        edges: As SVG paths, one a step reached, with how it was reached and whether the way leads to
            who found the fault first.
    """

    layout: GraphLayout
    origin: PlacedStep
    affected: Sequence[PlacedStep]
    edges: Sequence[tuple[str, str, bool]]


def lay_out_trail(trail: FaultTrail) -> TrailLayout:
    """Return where a trail's steps stand, each right of the one through which it was reached."""
    origin = _name(trail.origin)
    reached = {_name(one.place): one for one in trail.affected if _name(one.place) != origin}
    needs = {origin: (), **{name: (_name(one.via),) for name, one in reached.items()}}
    layout = place_steps(needs)
    path = [_name(place) for place in trail.path]
    ways = set(pairwise(path))
    return TrailLayout(
        layout=layout,
        origin=layout.steps[origin],
        affected=[layout.steps[_name(one.place)] for one in trail.affected],
        edges=[
            (drawn, reached[target].by, (source, target) in ways)
            for source, target, drawn in layout.edges
        ],
    )


def _name(place: StepPlace) -> str:
    """Return a name that no other place has: ids hold no line end."""
    return f"{place.thread_id}\n{place.superstep}\n{place.step_id}"
