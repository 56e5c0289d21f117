"""I7, I3 and the recovery rules: random graphs and faults against an independent model."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from tests.invariants.example_settings import draw_examples
from tests.invariants.journal_order import require_order, require_unstarted
from tests.invariants.outcome_model import (
    PERSON_GARBAGE,
    PERSON_VALUE,
    Expected,
    PlannedStep,
    predict,
    predict_run,
)
from tests.invariants.random_plans import Cast, build_clock, build_plan, fates

DECISIONS = ("approve", "edit", "edit_badly", "reject", "respond")
MANY_QUESTIONS = 6
"""From this many answers on, a step's person edits, so that every example ends."""

ANSWERS = {
    "approve": il.approve(),
    "edit": il.edit(PERSON_VALUE),
    "edit_badly": il.edit(PERSON_GARBAGE),
    "reject": il.reject("not so"),
    "respond": il.respond("try harder"),
}


def compare(
    result: il.RunResult, expected: dict[str, Expected], handoffs: Sequence[il.Handoff]
) -> None:
    """Hold everything that a run says against the model."""
    said = {step: outcome.status for step, outcome in result.outcomes.items()}
    assert said == {step: each.status for step, each in expected.items() if each.status}
    assert result.status == predict_run(expected)
    assert (result.status == "completed") == (not result.gaps)
    assert result.outputs == {
        step: each.value
        for step, each in expected.items()
        if each.status in {"accepted", "degraded"}
    }
    assert {q.step_id: sorted(q.allowed) for q in result.questions} == {
        step: each.allowed for step, each in expected.items() if each.status == "waiting"
    }
    for step, outcome in result.outcomes.items():
        each = expected[step]
        assert set(outcome.rests_on) == each.rests_on, step
        assert (outcome.attempts, outcome.usage.attempts) == (len(each.attempts),) * 2, step
        assert outcome.published == each.published, step
        if outcome.status == "accepted" and not outcome.approved_by_person:
            assert outcome.worker == each.attempts[-1], step
    compare_journal(handoffs, expected)


def compare_journal(handoffs: Sequence[il.Handoff], expected: dict[str, Expected]) -> None:
    """Hold the journal's attempts, and the order of its rows (I3, I8), against the model."""
    for step, each in expected.items():
        briefs = [(h.attempt, h.worker) for h in handoffs if (h.step_id, h.kind) == (step, "brief")]
        assert briefs == list(enumerate(each.attempts, 1)), step


def choose_answers(
    data: st.DataObject, result: il.RunResult, given_so_far: dict[str, list[str]]
) -> dict[str, il.Answer]:
    """Draw answers to some of the open questions, at least one, and note them."""
    questions = sorted(result.questions, key=lambda question: question.step_id or "")
    chosen = data.draw(st.lists(st.sampled_from(questions), unique_by=lambda q: q.id, min_size=1))
    answers: dict[str, il.Answer] = {}
    for question in chosen:
        said = given_so_far.setdefault(str(question.step_id), [])
        possible = [d for d in DECISIONS if d.partition("_")[0] in question.allowed]
        decision = data.draw(st.sampled_from(possible)) if len(said) < MANY_QUESTIONS else "edit"
        said.append(decision)
        answers[question.id] = ANSWERS[decision]
    return answers


async def live(steps: tuple[PlannedStep, ...], data: st.DataObject, **options: Any) -> None:
    """Run a plan to its end, answering on the way, and compare at every stop."""
    cast = Cast({step.id: step for step in steps})
    order = data.draw(st.permutations(steps))
    workers = cast.build_workers(second_limit=options.pop("second_limit"))
    stepwise = options.pop("stepwise")
    async with il.Orchestrator(
        workers=workers,
        planner=build_plan(order),
        storage="memory://",
        policy=il.RunPolicy(**options),
        clock=build_clock(),
    ) as desk:
        given_so_far: dict[str, list[str]] = {}
        result = await desk.ainvoke("model", thread_id="t", stepwise=stepwise)
        while True:
            expected = predict(steps, given_so_far)
            handoffs = await desk.ahandoffs("t")
            compare(result, expected, handoffs)
            if result.status != "waiting":
                break
            result = await desk.aanswer("t", choose_answers(data, result, given_so_far))
        require_order(steps, handoffs)
        require_unstarted(expected, handoffs)
        assert sum(h.kind == "answer" for h in handoffs) == sum(map(len, given_so_far.values()))
    assert sorted(cast.shown, key=repr) == sorted(
        (
            (step, number, worker, each.inputs, each.context)
            for step, each in expected.items()
            for number, worker in enumerate(each.attempts, 1)
        ),
        key=repr,
    )


@given(
    steps=fates(),
    data=st.data(),
    max_parallel=st.sampled_from([None, 1, 2, 4]),
    second_limit=st.sampled_from([None, 1]),
    stepwise=st.sampled_from([False, False, False, True]),
)
@draw_examples(60, derandomize=False)
def test_i07_every_run_ends_as_the_model_says(
    steps: tuple[PlannedStep, ...], data: st.DataObject, **options: Any
) -> None:
    """I3, I7: statuses, attempts, inputs, provenance, gaps and order follow the plan's rules."""
    asyncio.run(live(steps, data, **options))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(
    steps=fates(20),
    data=st.data(),
    max_parallel=st.sampled_from([None, 1, 3]),
    second_limit=st.sampled_from([None, 1, 2]),
    stepwise=st.booleans(),
)
@draw_examples(3000, derandomize=False)
def test_i07_every_run_ends_as_the_model_says_in_a_campaign(
    steps: tuple[PlannedStep, ...], data: st.DataObject, **options: Any
) -> None:
    """I3, I7: the same over thousands of larger graphs."""
    asyncio.run(live(steps, data, **options))
