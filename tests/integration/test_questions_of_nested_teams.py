"""Questions three teams deep: each surfaces with its path, none is lost, each answer reaches its own."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from langgraph.types import interrupt

import interlock as il
from tests.integration.gates import Gate
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give, locate
from tests.integration.thread_reading import read_thread

DEEP, ASIDE, OWN = "out/deep/lost", "out/lost", "out/ask"
SIDES = ("left", "right")
TOLD = {"deep": {"then": "told deep"}, "then": "told aside", "ask": "told own"}


class Calls:
    """What must not run twice, over all processes that work on one thread."""

    def __init__(self) -> None:
        """Count from none."""
        self.before = Recorder("before")
        self.beside = Recorder("beside")
        self.deep_then = Recorder(lambda brief: brief.inputs["lost"])
        self.then = Recorder(lambda brief: brief.inputs["lost"])


def build_asking_desk(calls: Calls, **options: Any) -> il.Orchestrator:
    """Return three teams, each a step of the next; three steps at two depths ask a person.

    One within the inmost team, and two beside that team: one is put aside, and one's worker asks
    in the middle of its work.
    """

    def ask(brief: il.Brief) -> Any:
        return interrupt("Which colour?")

    unable = Recorder(ValueError("not known"))
    lost = build_step("lost", fallback=[il.ask_person()])
    deep = build_desk(
        {"before": calls.before, "lost": unable, "then": calls.deep_then},
        build_step("before"),
        build_step("lost", needs=["before"], fallback=[il.ask_person()]),
        build_step("then", needs=["lost"]),
    )
    middle = build_desk(
        {"deep": deep, "lost": unable, "then": calls.then, "ask": ask},
        build_step("deep"),
        lost,
        build_step("then", needs=["lost"]),
        build_step("ask"),
    )
    return build_desk({"out": middle, "beside": calls.beside}, **options)


def list_ids(questions: Sequence[il.Question]) -> dict[str, str]:
    """Return the questions' ids by path."""
    return {str(question.step_id): question.id for question in questions}


@pytest.mark.parametrize(
    "order", [(DEEP, ASIDE, OWN), (ASIDE, OWN, DEEP), (OWN, DEEP, ASIDE)], ids="-".join
)
async def test_questions_at_two_depths_are_answered_in_any_order(order: Sequence[str]) -> None:
    """All three are open at once, and each answer closes exactly its own; nothing runs twice."""
    calls = Calls()
    words = {DEEP: "told deep", ASIDE: "told aside", OWN: "told own"}
    async with build_asking_desk(calls) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        ids = list_ids(result.questions)
        for count, path in enumerate(order):
            assert set(list_ids(result.questions)) == set(order[count:])
            assert list_ids(await desk.aquestions("t")) == {p: ids[p] for p in order[count:]}
            result = await desk.aanswer("t", {ids[path]: il.edit(words[path])})
        handoffs = await desk.ahandoffs("t")
        await read_thread(desk, "t")
    assert result.status == "completed", result.gaps
    assert result.outputs["out"] == TOLD
    counts = [calls.before.calls, calls.beside.calls, calls.deep_then.calls, calls.then.calls]
    assert counts == [1, 1, 1, 1]
    for kind in ("question", "answer"):
        assert sorted(str(h.step_id) for h in handoffs if h.kind == kind) == sorted(order)


@pytest.mark.parametrize("seed", [1, 4])
async def test_seven_questions_over_five_teams_are_answered_in_any_order(seed: int) -> None:
    """Each team has a step that is put aside and one whose worker asks; every answer closes one."""

    def ask(brief: il.Brief) -> Any:
        return interrupt("Which colour?")

    lost, aside = Recorder(ValueError("not known")), build_step("lost", fallback=[il.ask_person()])

    def build_team() -> il.Orchestrator:
        return build_desk({"lost": lost, "ask": ask}, aside, build_step("ask"))

    middle = build_desk({"left": build_team(), "right": build_team()})
    steps = (build_step("out"), build_step("top"), aside)
    async with build_desk({"out": middle, "top": build_team(), "lost": lost}, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        ids = list_ids(result.questions)
        order = sorted(ids)
        Random(seed).shuffle(order)
        assert len(order) == 7
        for count, path in enumerate(order):
            assert set(list_ids(result.questions)) == set(order[count:])
            result = await desk.aanswer("t", {ids[path]: il.edit(path)})
    told = {side: {step: f"out/{side}/{step}" for step in ("ask", "lost")} for side in SIDES}
    assert result.outputs == {
        "out": told,
        "top": {"ask": "top/ask", "lost": "top/lost"},
        "lost": "lost",
    }


async def answer_in_new_processes(url: str) -> None:
    """Ask, and answer one question at a time, each time with a desk that knows nothing yet."""
    calls = Calls()
    async with build_asking_desk(calls, storage=url) as desk:
        ids = list_ids((await desk.ainvoke("Test", thread_id="t")).questions)
    assert set(ids) == {DEEP, ASIDE, OWN}
    for path, left in ((OWN, {ASIDE, DEEP}), (DEEP, {ASIDE})):
        async with build_asking_desk(calls, storage=url) as desk:
            assert (await desk.aresume("t")).status == "waiting"  # looking changes nothing
            told = {OWN: "told own", DEEP: "told deep"}[path]
            result = await desk.aanswer("t", {ids[path]: il.edit(told)})
            assert set(list_ids(result.questions)) == left
    async with build_asking_desk(calls, storage=url) as desk:
        result = await desk.aanswer("t", {ids[ASIDE]: il.edit("told aside")})
        with pytest.raises(il.StaleAnswerError):
            await desk.aanswer("t", {ids[ASIDE]: il.edit("something else")})
    assert result.outputs["out"] == TOLD
    assert [calls.before.calls, calls.deep_then.calls, calls.then.calls] == [1, 1, 1]


async def test_questions_wait_for_answers_from_other_processes(tmp_path: Path) -> None:
    """A process that opens the thread closes no question of a team that it has not driven."""
    await answer_in_new_processes(locate(tmp_path))


async def test_questions_of_nested_teams_wait_on_postgresql(postgres_url: str) -> None:
    """The same on a server."""
    await answer_in_new_processes(postgres_url)


async def test_a_question_that_nobody_waits_for_any_more_is_closed(tmp_path: Path) -> None:
    """Run again after a stop, an inner worker asks something else: only that stays open."""
    asked: list[str] = []
    gates = [Gate(), Gate()]

    async def ask(brief: il.Brief) -> Any:
        asked.append(f"Question {len(asked) + 1}?")
        return interrupt(asked[-1])

    async def hang(brief: il.Brief) -> Any:
        return await gates[len(asked) - 1](brief)

    def build() -> il.Orchestrator:
        deep = build_desk({"ask": ask, "hang": hang})
        return build_desk({"out": build_desk({"deep": deep})}, storage=locate(tmp_path))

    async with build() as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await gates[0].started.wait()
        while not await desk.aquestions("t"):
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        assert [q.description for q in await desk.aquestions("t")] == ["Question 1?"]
    gates[1].opened.set()
    async with build() as desk:
        result = await desk.aresume("t")
    assert [q.description for q in result.questions] == ["Question 2?"]


async def test_a_judge_within_that_cannot_decide_asks_through_all_teams() -> None:
    """`undecided="ask"` two teams down: the person lets it pass, and no attempt is repeated."""

    async def unsure(request: il.JudgeRequest) -> il.Judgement:
        return il.Judgement(verdict="undecided", reason="too short to say")

    work = Recorder("short")
    rubric = il.rubric("Answers the question", judges=["unsure"], undecided="ask")
    deep = build_desk({"work": work}, build_step("work", criteria=[rubric]), judges=[unsure])
    async with build_desk({"out": build_desk({"deep": deep})}) as desk:
        (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
        assert question.step_id == "out/deep/work"
        assert "too short to say" in question.description
        result = await desk.aanswer("t", {question.id: il.approve()})
    assert (result.status, result.outputs) == ("completed", {"out": {"deep": {"work": "short"}}})
    assert work.calls == 1


async def test_an_inner_plan_question_says_whose_plan_it_is() -> None:
    """Two inner plans are asked about at once; one is edited and one approved, each by its id."""
    policy = il.RunPolicy(approve_plan=True)
    left = build_desk({"a": give("a"), "b": give("b")}, build_step("a"), policy=policy)
    right = build_desk({"a": give("a")}, policy=policy)
    async with build_desk({"out": build_desk({"left": left, "right": right})}) as desk:
        ids = list_ids((await desk.ainvoke("Test", thread_id="t")).questions)
        assert set(ids) == {"out/left", "out/right"}
        edited = build_plan(build_step("b")).model_dump(mode="json")
        half = await desk.aanswer("t", {ids["out/left"]: il.edit(edited)})
        assert set(list_ids(half.questions)) == {"out/right"}
        result = await desk.aanswer("t", {ids["out/right"]: il.approve()})
        versions = await desk.aplan("t", step="out/left")
    assert result.outputs == {"out": {"left": {"b": "b"}, "right": {"a": "a"}}}
    assert [(one.by, [step.id for step in one.plan.steps]) for one in versions] == [
        ("person", ["b"])
    ]


async def test_an_inner_planner_without_a_plan_asks_a_person() -> None:
    """A planner's own `ask_person`, two teams down: the person's plan runs there."""

    class Lost:
        fallback = (il.ask_person(prompt="What shall we do?"),)

        async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
            raise il.PermanentError("no idea")

    deep = build_desk({"work": give("done")}, planner=Lost())
    async with build_desk({"out": build_desk({"deep": deep})}) as desk:
        (question,) = (await desk.ainvoke("Test", thread_id="t")).questions
        assert (question.kind, question.step_id) == ("plan", "out/deep")
        plan = build_plan(build_step("work")).model_dump(mode="json")
        result = await desk.aanswer("t", {question.id: il.edit(plan)})
    assert result.outputs == {"out": {"deep": {"work": "done"}}}


async def test_a_cancel_while_three_teams_wait_closes_every_question() -> None:
    """Asked at two depths and then cancelled: the inbox is empty, and nothing more runs."""
    calls = Calls()
    async with build_asking_desk(calls) as desk:
        await desk.ainvoke("Test", thread_id="t")
        assert len(await desk.aquestions()) == 3
        await desk.acancel("t", why="no longer wanted")
        result = await desk.aresume("t")
        assert await desk.aquestions() == []
    assert (result.status, calls.then.calls, calls.deep_then.calls) == ("cancelled", 0, 0)


async def test_a_persons_plan_for_an_inner_team_is_checked_against_that_team() -> None:
    """Its own workers and the context that its step gives it count, not those of the run."""
    policy = il.RunPolicy(approve_plan=True)
    inner = build_desk({"inner": give(1)}, policy=policy)
    step = build_step("team", arguments={"colour": "red"})
    middle = build_desk({"team": inner}, step)
    async with build_desk({"out": middle, "beside": give(2)}) as desk:
        await desk.ainvoke("Test", thread_id="t", context={"shape": "round"})
        fits = build_plan(build_step("new", "inner", context=["colour"]))
        await desk.acheck_plan("t", fits, step="out/team")
        for wrong, words in (
            (build_plan(build_step("beside")), "which the team does not have"),
            (build_plan(build_step("new", "inner", context=["shape"])), "'shape'"),
        ):
            with pytest.raises(il.PlanError, match=words):
                await desk.acheck_plan("t", wrong, step="out/team")
        with pytest.raises(il.ConfigurationError, match="No team works on step 'beside'"):
            await desk.acheck_plan("t", fits, step="beside")
