"""I7: what a replan leaves out has something in its place, or the result says that it is missing."""

from collections.abc import Sequence
from typing import Any

import pytest

import interlock as il
from tests.integration.mending import FIRST, Mending, build_desk, replace_b, step

TWO = (step("a"), step("p", worker="fail"), step("q", worker="fail"))
WIRED = (
    step("a"),
    step("b", worker="fail"),
    step("c", needs=["a", "b"], inputs={"left": "a.said", "right": "b.said"}),
)


async def run_mended(
    *mends: Sequence[il.Step], first: Sequence[il.Step], **policy: object
) -> tuple[il.RunResult, list[str]]:
    """Return how a run ends that is mended so, and what the planner was told last."""
    planner = Mending(*[lambda request, mend=mend: mend for mend in mends], first=first)
    attempts = len(mends)
    replan = {"max_times": 1}
    async with build_desk(planner, max_plan_attempts=attempts, replan=replan, **policy) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    return result, list(planner.requests[-1].problems)


@pytest.mark.parametrize(
    ("first", "mend", "words"),
    [
        (FIRST, (step("a"),), "'c' (blocked), a result of the plan"),
        (FIRST, (step("a"), step("c", needs=["a"])), "step 'c', which needed it"),
        (FIRST, (step("a"), step("z"), step("c", needs=["a"])), "step 'c', which needed it"),
        (TWO, (step("a"),), "'p' (failed), step 'q' (failed), results of the plan"),
        (TWO, (step("a"), step("z")), "left out: in their place there is z"),
        (
            WIRED,
            (step("a"), step("b2"), step("c", needs=["a", "b2"], inputs={"left": "a.said"})),
            "for its input 'right'",
        ),
    ],
)
async def test_i07_nothing_is_left_out_without_something_in_its_place(
    first: Sequence[il.Step], mend: Sequence[il.Step], words: str
) -> None:
    """Such a version is refused, the planner hears what is missing, and the run stays failed."""
    result, _ = await run_mended(mend, first=first)
    assert result.status == "failed"
    assert sorted(result.outcomes) == sorted(s.id for s in first)
    assert words in result.notes[-1]


async def test_all_that_is_wrong_is_told_at_once() -> None:
    """A step with nothing in its place is told with an unknown worker and a repeated step."""
    bad = (step("a"), step("c", needs=["a"]), step("x", worker="ghost"))
    result, problems = await run_mended(bad, replace_b(None), first=FIRST)
    assert result.status == "completed"
    assert any("'ghost'" in problem for problem in problems)
    assert any("'b'" in problem and "nothing in its place" in problem for problem in problems)


@pytest.mark.parametrize(
    ("first", "mend", "words"),
    [
        (FIRST, replace_b(None), {"'b' (failed": "b2"}),
        (
            FIRST,
            (step("a"), step("z", needs=["a"])),
            {"'b' (failed": "z", "'c' (blocked": "z"},
        ),
        (TWO, (step("a"), step("p2"), step("q2")), {"'p' (failed": "p2, q2", "'q' (": "p2, q2"}),
        (
            (step("b", worker="fail", fallback=[il.skip(gap="no b")]),),
            (step("b2"),),
            {"'b' (skipped": "b2"},
        ),
        (
            (step("b", worker="fail", fallback=[il.use_value(1)]),),
            (step("b2"),),
            {"'b' (degraded": "b2"},
        ),
    ],
)
async def test_the_result_names_each_step_that_was_left_out(
    first: Sequence[il.Step], mend: Sequence[il.Step], words: dict[str, str]
) -> None:
    """Notes say of each what became of it, in which version it went, and what is in its place."""
    result, _ = await run_mended(mend, first=first)
    assert (result.status, result.gaps) == ("completed", ())
    assert len(result.notes) == len(words)
    for beginning, place in words.items():
        (note,) = (note for note in result.notes if beginning in note)
        assert "version 2" in note.lower()
        assert note.endswith(f"in its place: {place}")


async def test_i07_a_person_may_leave_out_a_result_and_it_is_a_gap() -> None:
    """A plan that a person wrote may drop a result; the run is degraded and says so, not completed."""
    planner = Mending(replace_b, first=TWO)
    async with build_desk(planner, approve_plan=True, max_plan_attempts=1) as desk:
        planner.mends = [lambda request: (step("a"), step("p2"), step("q2"))]
        result = await desk.ainvoke("g", thread_id="t")
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
        (asked,) = result.questions
        edited: dict[str, Any] = {
            **asked.args,
            "steps": [s.model_dump(mode="json") for s in (step("a"), step("p2"))],
        }
        result = await desk.aanswer("t", {asked.id: il.edit(edited)})
    assert (result.status, sorted(result.outputs)) == ("degraded", ["a", "p2"])
    (gap,) = [gap for gap in result.gaps if "'q'" in gap]
    assert gap.endswith("left out: in their place there is p2")


async def test_a_step_that_was_left_out_lends_its_id_to_no_other() -> None:
    """Journal, budgets and effects tell steps apart by id: another step has another one."""
    mends = (
        lambda request: (step("a"), step("p2", worker="fail"), step("q2")),
        lambda request: (step("a"), step("p", instruction="Do it otherwise"), step("q2")),
        lambda request: (step("a"), step("p3"), step("q2")),
    )
    planner = Mending(*mends, first=TWO)
    async with build_desk(planner) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, sorted(result.outputs)) == ("completed", ["a", "p3", "q2"])
    (problem,) = planner.requests[-1].problems
    assert "'p'" in problem
    assert "another id" in problem


ASKING = (
    step("a"),
    step("b", worker="fail"),
    step("c", needs=["a", "b"]),
    step("w", approval="true"),
)
ASKING_STILL = ASKING[3]


@pytest.mark.parametrize(
    ("edited", "status", "words"),
    [
        ((step("a"), step("b2"), step("c", needs=["a", "b2"]), ASKING_STILL), "completed", ()),
        ((step("a"), step("b2"), step("c", needs=["a", "b2"])), "completed", ()),
        (
            (step("a"), step("c", needs=["a"]), ASKING_STILL),
            "degraded",
            ("step 'b' (failed) is left out, and step 'c', which needed it, has nothing",),
        ),
        ((step("a"), ASKING_STILL), "degraded", ("step 'c' (blocked), a result of the plan",)),
    ],
)
async def test_i07_a_person_may_edit_a_failed_step_out_of_a_run_that_waits(
    edited: Sequence[il.Step], status: str, words: Sequence[str]
) -> None:
    """What ended and goes needs something in its place or is a gap; what has not run may just go."""
    plan = il.TaskGraph(goal="g", steps=ASKING)
    async with build_desk(plan, replan=None) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        assert result.status == "waiting"
        await desk.aedit_plan("t", il.TaskGraph(goal="g", steps=edited))
        result = await desk.aresume("t")
        if result.questions:
            result = await desk.aanswer("t", {q.id: il.approve() for q in result.questions})
    assert (result.status, sorted(result.outputs)) == (status, sorted(s.id for s in edited))
    assert len(result.gaps) == len(words)
    for gap, word in zip(result.gaps, words, strict=True):
        assert word in gap
