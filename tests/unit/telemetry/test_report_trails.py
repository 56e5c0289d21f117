"""Where the steps stand that a faulty value has reached."""

from hypothesis import given
from hypothesis import strategies as st

from interlock.contracts.ids import StepId, ThreadId
from interlock.telemetry.metrics import AffectedStep, FaultTrail, StepPlace
from interlock.telemetry.report.trail_layout import lay_out_trail
from tests.invariants.example_settings import draw_examples


def place(number: int, thread: str = "t") -> StepPlace:
    """Return the place of a step."""
    return StepPlace(thread_id=ThreadId(thread), superstep="c1", step_id=StepId(f"s{number}"))


def build_trail(parents: list[int]) -> FaultTrail:
    """Return the trail of a value of step 0 that each further step had from an earlier one."""
    distance = [0]
    affected: list[AffectedStep] = []
    for number, parent in enumerate(parents, start=1):
        distance.append(distance[parent] + 1)
        fields = {"status": "accepted", "by": "output", "carries": True, "settled_at": None}
        costs = {"attempts": 1, "tokens": 0, "money": 0}
        ways = {"place": place(number), "via": place(parent), "distance": distance[number]}
        affected.append(AffectedStep.model_validate({**fields, **costs, **ways}))
    return FaultTrail(
        origin=place(0), attempt=1, worker="w", settled_at=None, faults=(), affected=tuple(affected)
    )


@st.composite
def draw_parents(draw: st.DrawFn) -> list[int]:
    """Return for each step the one before it that it had the value from."""
    return [draw(st.integers(0, number)) for number in range(draw(st.integers(0, 40)))]


@given(parents=draw_parents())
@draw_examples(60)
def test_each_step_reached_has_one_box_and_one_way(parents: list[int]) -> None:
    """No two stand on one spot, and each stands right of the one that it had the value from."""
    drawn = lay_out_trail(build_trail(parents))
    assert (len(drawn.affected), len(drawn.edges)) == (len(parents), len(parents))
    boxes = [drawn.origin, *drawn.affected]
    assert len({(box.x, box.y) for box in boxes}) == len(boxes)
    assert all(boxes[parent].x < box.x for parent, box in zip(parents, drawn.affected, strict=True))


def test_the_way_to_who_found_it_is_told_apart() -> None:
    """Edges on the trail's path are marked, others are not."""
    trail = build_trail([0, 0, 1]).model_copy(update={"path": (place(0), place(1), place(3))})
    assert sorted(is_found for _, _, is_found in lay_out_trail(trail).edges) == [False, True, True]
