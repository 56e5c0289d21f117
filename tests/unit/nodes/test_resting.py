"""What rests on what: provenance through outputs, and back from what was taken back."""

from datetime import UTC, datetime
from typing import Any

import pytest

import interlock as il
from interlock.contracts.context_records import FactRef
from interlock.nodes.run.resting import derive_sources, find_resting
from tests.integration.teams import build_step

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ref(key: str, version: int = 1) -> FactRef:
    """Return the name of a fact."""
    return FactRef("own", key, version)


def mark(key: str) -> il.FactMark:
    """Return the mark of a fact that was retracted."""
    place = {"space": "own", "key": key, "version": 1}
    cause = {f"cause_{name}": value for name, value in place.items()}
    return il.FactMark(**place, **cause, kind="retraction", why="wrong", at=NOON)


def settle(step_id: str, *, shown: str = "", published: str = "", **fields: Any) -> il.StepOutcome:
    """Return an accepted outcome that was shown, and published, version 1 of some keys."""
    return il.StepOutcome(
        step_id=step_id,
        status=fields.pop("status", "accepted"),
        shown_facts=dict.fromkeys(shown.split(), ("own", 1)),
        published_versions=dict.fromkeys(published.split(), ("own", 1)),
        **fields,
    )


def index(*steps: il.Step) -> Any:
    """Return steps by id."""
    return {step.id: step for step in steps}


SOURCE = build_step("source", publishes={"a": "output.a", "b": "output.b.c"})
THROUGH = build_step("through", needs=["source"])


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (None, ["a", "b", "x"]),
        ({"all": "source"}, ["a", "b", "x"]),
        ({"one": "source.a"}, ["a", "x"]),
        ({"part": "source.a.deep.0"}, ["a", "x"]),
        ({"around": "source.b"}, ["b", "x"]),
        ({"beside": "source.b.d"}, ["x", "y"]),
        ({}, []),
    ],
)
def test_a_consumed_part_stands_for_the_facts_that_lie_in_it(
    inputs: Any, expected: list[str]
) -> None:
    """A part that holds no fact rests on what its step was shown, and on what is behind that."""
    below = build_step("below")
    source = SOURCE.model_copy(update={"needs": (il.Need(step="below"),)})
    step = build_step("s", needs=["source"], inputs=inputs)
    outcomes: Any = {
        "below": settle("below", shown="y"),
        "source": settle("source", shown="x", published="a b"),
    }
    found = derive_sources(step, steps=index(below, source, step), outcomes=outcomes)
    assert found == [ref(key) for key in expected]


def test_what_a_step_in_between_is_shown_is_a_source() -> None:
    """Beside what lies behind its own inputs, each once."""
    step = build_step("s", needs=["through"])
    outcomes: Any = {
        "source": settle("source", published="a b"),
        "through": settle("through", shown="a z"),
    }
    steps = index(SOURCE, THROUGH, step)
    found = derive_sources(step, steps=steps, outcomes=outcomes)
    assert found == [ref("a"), ref("b"), ref("z")]


def test_a_long_chain_of_publishers_is_looked_at_one_link_at_a_time() -> None:
    """The nearest facts stand for all behind them, so that a step's cost does not grow."""
    steps = [build_step("s0", publishes={"k0": "output"})]
    outcomes: Any = {"s0": settle("s0", published="k0")}
    for number in range(1, 50):
        name, before = f"s{number}", f"s{number - 1}"
        steps.append(build_step(name, needs=[before], publishes={f"k{number}": "output"}))
        outcomes[name] = settle(name, published=f"k{number}")
    found = derive_sources(steps[-1], steps=index(*steps), outcomes=outcomes)
    assert found == [ref("k48")]


def test_marks_follow_what_was_shown_and_what_was_consumed() -> None:
    """From a retracted fact to its step, to who was shown it, and to who read the part it lies in."""
    steps = index(
        SOURCE,
        build_step("shown", needs=["source"], inputs={}, context=["a"]),
        build_step("after", needs=["shown"]),
        build_step("order", needs=["shown"], inputs={}),
        build_step("part", needs=["source"], inputs={"x": "source.a"}),
        build_step("beside", needs=["source"], inputs={"x": "source.b"}),
        build_step("failed", needs=["source"]),
        build_step("unsettled", needs=["source"]),
    )
    outcomes: Any = {
        "source": settle("source", published="a b"),
        "shown": settle("shown", shown="a"),
        "after": settle("after"),
        "order": settle("order"),
        "part": settle("part"),
        "beside": settle("beside"),
        "failed": settle("failed", status="failed"),
    }
    assert set(find_resting(steps, outcomes, [mark("a")])) == {"source", "shown", "after", "part"}
    assert find_resting(steps, outcomes, [mark("other")]) == {}
    assert find_resting(steps, outcomes, []) == {}


def test_a_nested_team_that_was_shown_a_marked_fact_marks_its_step() -> None:
    """What happened inside a team is behind all of its output."""
    steps = index(build_step("team"), build_step("next", needs=["team"]))
    outcomes: Any = {"team": settle("team"), "next": settle("next")}
    found = find_resting(steps, outcomes, [mark("a")], nested={"team": mark("a")})  # type: ignore[dict-item]
    assert set(found) == {"team", "next"}
