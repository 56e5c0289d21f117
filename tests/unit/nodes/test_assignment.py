"""Assignments: exactly the declared data, honest about what it rests on (I3, I4)."""

from collections.abc import Mapping
from typing import Any

import pytest

import interlock as il
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.shared_context import OPEN_CONTEXT
from interlock.nodes.run.assignment import MissingInputError, build_assignment, find_unmet_need
from interlock.nodes.run.kept_values import KeptValues
from interlock.nodes.run.run_facts import RunFacts
from tests.integration.teams import build_step

SETTLED: Mapping[str, Any] = {
    "order": {"status": "accepted", "value": {"status": "paid", "items": [{"name": "pen"}]}},
    "photo": {"status": "skipped", "reason": "no camera", "gap": "no photo"},
    "price": {"status": "degraded", "value": {"cents": 1}, "reason": "guessed"},
    "sum": {"status": "accepted", "value": 3, "rests_on": (StepId("price"),)},
    "shop": {"status": "accepted", "value": "x", "published": {"region": "EU", "secret": "no"}},
    "guess": {
        "status": "degraded",
        "value": "y",
        "reason": "r",
        "published": {"mood": "calm"},
        "rests_on": (StepId("photo"),),
    },
}
OUTCOMES = {StepId(key): il.StepOutcome(step_id=StepId(key), **row) for key, row in SETTLED.items()}


class NothingHeld:
    """A storage whose shared context no person has touched."""

    @property
    def context(self) -> Any:
        """Itself."""
        return self

    async def load_snapshot(self, asked: Any) -> dict[str, Any]:
        """Hold nothing."""
        return {}


async def assign(step: il.Step, waiting: il.StepOutcome | None = None) -> dict[str, Any]:
    """Return what a step is given when all of OUTCOMES has settled."""
    nowhere: Any = NothingHeld()  # nothing here is big
    state: Any = {"context": {"customer": "Ada", "other": 1}, "answers": {}, "scope": ""}
    shop = build_step("shop", publishes={"region": "output", "secret": "output"})
    steps = [shop, build_step("guess", publishes={"mood": "output"}), step]
    return await build_assignment(
        step,
        {need.step: OUTCOMES[need.step] for need in step.needs},
        outcomes=OUTCOMES,
        state=state,
        values=KeptValues(nowhere, ThreadId("t")),
        waiting=waiting,
        facts=RunFacts(
            shared=OPEN_CONTEXT,
            storage=nowhere,
            thread_id=ThreadId("t"),
            state=state,
            steps={one.id: one for one in steps},
        ),
    )


async def test_without_declared_inputs_whole_outputs_come_by_step() -> None:
    """Arguments stand beside them; a skipped need is there and empty."""
    step = build_step("s", needs=["order", "photo"], arguments={"tone": "kind"})
    assert (await assign(step))["inputs"] == {
        "order": {"status": "paid", "items": [{"name": "pen"}]},
        "photo": None,
        "tone": "kind",
    }


async def test_declared_inputs_are_selected_and_nothing_else() -> None:
    """A worker sees the parts that its step names, not the outputs they lie in."""
    step = build_step(
        "s",
        needs=["order", "price"],
        inputs={"name": "order.items.0.name", "whole": "price"},
        arguments={"n": 1},
    )
    assert (await assign(step))["inputs"] == {"name": "pen", "whole": {"cents": 1}, "n": 1}


async def test_a_missing_part_of_an_accepted_output_is_an_error_that_names_it() -> None:
    """The plan promised it; the step must not start on half of its data."""
    step = build_step("s", needs=["order"], inputs={"x": "order.total"})
    with pytest.raises(MissingInputError) as caught:
        await assign(step)
    assert (caught.value.name, caught.value.path) == ("x", "order.total")
    assert "no 'total' in an object with items, status" in str(caught.value)
    assert "Add a criterion" in str(caught.value)


async def test_a_missing_part_of_a_degraded_output_is_empty() -> None:
    """Whoever accepts a degraded result accepts that parts of it may lack."""
    step = build_step("s", needs=["price", "photo"], inputs={"x": "price.total", "y": "photo.name"})
    assert (await assign(step))["inputs"] == {"x": None, "y": None}


async def test_context_is_the_declared_slice() -> None:
    """Published facts and the run's own context, by declared key; nothing undeclared."""
    step = build_step("s", needs=["shop"], context=["region", "customer"])
    assignment = await assign(step)
    assert assignment["context"] == {"region": "EU", "customer": "Ada"}
    assert "secret" not in str(assignment)


@pytest.mark.parametrize(
    ("step", "rests_on"),
    [
        (build_step("s", needs=["order"]), []),
        (build_step("s", needs=["price"]), ["price"]),
        (build_step("s", needs=["photo"]), ["photo"]),
        (build_step("s", needs=["sum"]), ["price"]),
        (build_step("s", needs=["order", "sum", "price"]), ["price"]),
        (build_step("s", context=["mood"]), ["guess", "photo"]),
        (build_step("s", context=["region"]), []),
    ],
)
async def test_degraded_facts_below_a_step_are_named(step: il.Step, rests_on: list[str]) -> None:
    """Directly needed, needed by what is needed, or read from the context: each once."""
    assert (await assign(step))["rests_on"] == rests_on


async def test_after_an_answer_a_step_goes_on_with_what_it_had() -> None:
    """The inputs of its first attempts are carried, not read again."""
    question = il.Question.model_validate(
        {
            "id": "q-1",
            "thread_id": "t",
            "kind": "output",
            "name": "s",
            "description": "?",
            "allowed": ["approve"],
            "shown_hash": "h",
            "asked_at": "2026-01-01T12:00:00Z",
        }
    )
    waiting = il.StepOutcome(
        step_id=StepId("s"),
        status="waiting",
        question=question,
        carry={"inputs": {"kept": 1}, "attempt": 2},
    )
    assignment = await assign(build_step("s", needs=["order"]), waiting)
    assert assignment["inputs"] == {"kept": 1}
    assert assignment["carry"] == {"attempt": 2}
    assert (assignment["question_kind"], assignment["answer"]) == ("output", None)


@pytest.mark.parametrize(
    ("status", "is_met", "is_met_if_accepted"),
    [
        ("accepted", True, True),
        ("degraded", False, True),
        ("skipped", False, True),
        ("failed", False, False),
        ("blocked", False, False),
        ("cancelled", False, False),
    ],
)
def test_a_step_starts_only_if_its_needs_settled_as_it_demands(
    status: Any, is_met: bool, is_met_if_accepted: bool
) -> None:
    """I3: degraded and skipped needs do only where the step says so; the rest never do."""
    outcome = il.StepOutcome(step_id=StepId("a"), status=status, reason="because")
    for accepts, expected in ((False, is_met), (True, is_met_if_accepted)):
        step = build_step("s", needs=[il.Need(step=StepId("a"), accept_degraded=accepts)])
        problem = find_unmet_need(step, {StepId("a"): outcome})
        assert (problem is None) == expected
        if problem is not None:
            assert f"needs 'a', which is {status} (because)" in problem
