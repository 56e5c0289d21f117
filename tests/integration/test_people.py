"""What people are asked by a run, and what each decision does."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.integration.facts import doomed_team
from tests.integration.facts.doomed_team import build_doomed_desk
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give, locate
from tests.integration.thread_reading import read_thread

APPROVED = il.RunPolicy(approve_plan=True)


async def test_a_plan_that_is_approved_runs_and_not_before() -> None:
    """The whole plan is shown; until it is approved no worker is briefed."""
    work = Recorder("done")
    async with build_desk({"work": work}, policy=APPROVED) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        (question,) = waiting.questions
        assert (question.kind, question.step_id, question.name) == ("plan", None, "plan")
        assert [step["id"] for step in question.args["steps"]] == ["work"]
        assert (waiting.status, work.calls, dict(waiting.outcomes)) == ("waiting", 0, {})
        assert (await desk.astatus("t")).attempts == 0
        result = await desk.aanswer("t", {question.id: il.approve()})
        handoffs = await desk.ahandoffs("t")
    assert (result.status, work.calls) == ("completed", 1)
    assert [(h.kind, h.sender) for h in handoffs] == [
        ("plan", "planner"),
        ("question", "supervisor"),
        ("answer", "person"),
        ("brief", "supervisor"),
        ("output", "work"),
    ]


async def test_an_edited_plan_runs_instead() -> None:
    """What a person puts in the plan's place is validated and runs."""
    work = Recorder(lambda brief: brief.instruction)
    plan = build_plan(build_step("mine", "work", instruction="My way"))
    async with build_desk({"work": work}, policy=APPROVED) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        edited = il.edit(plan.model_dump(mode="json"))
        result = await desk.aanswer("t", {waiting.questions[0].id: edited})
    assert result.outputs == {"mine": "My way"}


async def test_a_refused_plan_sends_the_planner_back_with_the_persons_words() -> None:
    """Rejected, answered in words, edited to nonsense: each time the planner is asked again."""
    requests: list[il.PlanRequest] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        requests.append(request)
        return build_plan(build_step(f"try{request.attempt}", "work"))

    policy = il.RunPolicy(approve_plan=True, max_plan_attempts=4)
    async with build_desk({"work": give(1)}, planner=plan, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        nonsense = build_plan(build_step("x", "nobody")).model_dump(mode="json")
        for answer in (il.reject("too dear"), il.respond("ask Ann"), il.edit(nonsense)):
            (question,) = result.questions
            result = await desk.aanswer("t", {question.id: answer})
        (question,) = result.questions
        result = await desk.aanswer("t", {question.id: il.approve()})
    assert result.outputs == {"try4": 1}
    problems = [" ".join(request.problems) for request in requests]
    assert problems[0] == ""
    assert "too dear" in problems[1]
    assert "ask Ann" in problems[2]
    assert "nobody" in problems[3]
    assert [request.previous and request.previous.steps[0].id for request in requests] == [
        None,
        "try1",
        "try2",
        "try3",
    ]


async def test_a_fixed_plan_that_is_refused_fails_the_run_in_the_persons_words() -> None:
    """Nobody can plan anew, so the run says why it did nothing."""
    work = Recorder()
    async with build_desk({"work": work}, policy=APPROVED) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        result = await desk.aanswer("t", {waiting.questions[0].id: il.reject("not today")})
    assert (result.status, work.calls) == ("failed", 0)
    assert "not today" in str(result.reason)


LONG = il.expr("size(output) > 3", message="longer")
DECISIONS: list[tuple[il.Answer, str, Any, int]] = [
    (il.approve(), "accepted", "no", 1),
    (il.edit("by hand"), "accepted", "by hand", 1),
    (il.reject("give up"), "degraded", "declared", 1),
    (il.respond("say hello"), "accepted", "hello", 2),
]


@pytest.mark.parametrize(("answer", "status", "value", "calls"), DECISIONS, ids=str)
async def test_a_person_decides_what_becomes_of_a_refused_output(
    answer: il.Answer, status: str, value: Any, calls: int
) -> None:
    """Approve lets it pass, edit replaces it, reject goes down the chain, respond tries again."""
    work = Recorder("no", "hello")
    step = build_step("work", criteria=[LONG], fallback=[il.ask_person(), il.use_value("declared")])
    async with build_desk({"work": work}, step) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        (question,) = waiting.questions
        assert (question.args, question.allowed) == ("no", ("approve", "edit", "reject", "respond"))
        assert "longer" in question.description
        result = await desk.aanswer("t", {question.id: answer})
    outcome = result.outcomes["work"]
    assert (outcome.status, outcome.value, work.calls) == (status, value, calls)
    assert outcome.approved_by_person == (answer.type in {"approve", "edit"})
    if answer.type == "respond":
        assert work.briefs[1].feedback[-1] == "A person answered: say hello"
        assert work.briefs[1].attempt == 2


async def test_an_edited_output_is_held_against_the_criteria_too() -> None:
    """What a person puts in its place is reviewed; if it is no better, they are asked again."""
    step = build_step("work", criteria=[LONG], fallback=[il.ask_person()])
    async with build_desk({"work": give("no")}, step) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        again = await desk.aanswer("t", {waiting.questions[0].id: il.edit("ah")})
        (question,) = again.questions
        assert (again.status, question.args) == ("waiting", "ah")
        assert "longer" in question.description
        done = await desk.aanswer("t", {question.id: il.edit("long enough")})
        await read_thread(desk, "t")
    assert done.outputs == {"work": "long enough"}


async def test_a_person_is_asked_before_a_step_only_while_its_expression_is_true() -> None:
    """The expression reads the inputs: of two refunds, the dear one waits and the cheap one runs."""
    refund = Recorder("paid")
    steps = [
        build_step(f"r{cents}", "refund", arguments={"cents": cents}, approval="inputs.cents > 500")
        for cents in (100, 900)
    ]
    async with build_desk({"refund": refund}, *steps) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        (question,) = waiting.questions
        assert (question.kind, question.step_id) == ("before_step", "r900")
        assert question.args == {"cents": 900}
        assert [brief.inputs["cents"] for brief in refund.briefs] == [100]
        done = await desk.aanswer("t", {question.id: il.approve()})
    assert done.status == "completed"
    assert [brief.inputs["cents"] for brief in refund.briefs] == [100, 900]


@pytest.mark.parametrize(
    ("answer", "status", "shown"),
    [
        (il.edit({"cents": 5}), "accepted", ({"cents": 5}, ())),
        (
            il.respond("mind the fee"),
            "accepted",
            ({"cents": 9}, ("A person answered: mind the fee",)),
        ),
        (il.reject("never"), "skipped", None),
    ],
    ids=str,
)
async def test_a_person_changes_or_refuses_what_a_step_starts_with(
    answer: il.Answer, status: str, shown: Any
) -> None:
    """Edit replaces the inputs, respond is the first feedback, reject takes the fallback."""
    refund = Recorder("paid")
    step = build_step(
        "refund", arguments={"cents": 9}, approval="true", fallback=[il.skip(gap="unpaid")]
    )
    async with build_desk({"refund": refund}, step) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        result = await desk.aanswer("t", {waiting.questions[0].id: answer})
    assert result.outcomes["refund"].status == status
    seen = [(brief.dump()["inputs"], brief.feedback) for brief in refund.briefs]
    assert seen == ([shown] if shown else [])


def build_asking_desk(storage: Any = "memory://", **agents: Any) -> il.Orchestrator:
    """Return a team with two steps that ask and one that needs both answers."""
    bad = Recorder(ValueError("no"))
    steps = (
        build_step("left", "bad", fallback=[il.ask_person()]),
        build_step("right", "bad", fallback=[il.ask_person()]),
        build_step("join", needs=["left", "right"]),
        *(build_step(name) for name in agents),
    )
    join = Recorder(lambda brief: dict(brief.inputs))
    return build_desk({"bad": bad, "join": join, **agents}, *steps, storage=storage)


async def test_questions_are_answered_in_part_or_whole() -> None:
    """One answer moves its own step on; the other question stays as it was asked."""
    async with build_asking_desk() as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        ids = {q.step_id: q.id for q in waiting.questions}
        half = await desk.aanswer("t", {ids["left"]: il.edit("L")})
        assert (half.status, [q.id for q in half.questions]) == ("waiting", [ids["right"]])
        assert half.outputs == {"left": "L"}
        done = await desk.aanswer("t", {ids["right"]: il.edit("R")})
        whole = await desk.ainvoke("Test", thread_id="u")
        both = {q.id: il.edit(q.step_id) for q in whole.questions}
        at_once = await desk.aanswer("u", both)
    assert done.outputs["join"] == {"left": "L", "right": "R"}
    assert at_once.outputs["join"] == {"left": "left", "right": "right"}


async def test_the_inbox_holds_the_questions_of_all_threads_oldest_first() -> None:
    """Without a thread, all that is open; answered ones and finished runs are not in it."""
    async with build_asking_desk() as desk:
        for thread_id in ("t", "u"):
            await desk.ainvoke("Test", thread_id=thread_id)
        inbox = await desk.aquestions()
        assert [(q.thread_id, q.step_id) for q in inbox] == [
            ("t", "left"),
            ("t", "right"),
            ("u", "left"),
            ("u", "right"),
        ]
        await desk.aanswer("u", {inbox[2].id: il.edit(1)})
        await desk.acancel("t", why="closed")
        assert [q.id for q in await desk.aquestions()] == [inbox[3].id]


async def test_another_process_answers(tmp_path: Path) -> None:
    """Asked here, answered by a process of its own, finished here."""
    async with build_doomed_desk(tmp_path, "gates") as desk:
        await desk.ainvoke("Test", thread_id="t")
    command = [sys.executable, doomed_team.__file__, str(tmp_path), "gates", "from elsewhere"]
    root = Path(__file__).parents[2]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, timeout=60, check=False, cwd=root
    )
    assert done.returncode == 0, done.stderr.decode()
    async with build_doomed_desk(tmp_path, "gates") as desk:
        (question,) = await desk.aquestions("t")
        assert question.args == {"gate": "second"}
        result = await desk.aanswer("t", {question.id: il.respond("here")})
        handoffs = await desk.ahandoffs("t")
    assert result.outputs == {
        "gated": {"answers": [["first", "from elsewhere"], ["second", "here"]]}
    }
    said = [(h.kind, h.sender, h.receiver) for h in handoffs if h.kind in {"question", "answer"}]
    assert (
        said
        == [
            ("question", "supervisor", "person"),
            ("answer", "person", "supervisor"),
        ]
        * 2
    )
    assert [h.payload["answer"]["message"] for h in handoffs if h.kind == "answer"] == [
        "from elsewhere",
        "here",
    ]


async def test_an_answer_given_while_the_run_goes_on_is_taken_up_without_a_stop(
    tmp_path: Path,
) -> None:
    """A question can be answered by another team object while the run's other steps work."""
    opened, started = asyncio.Event(), asyncio.Event()

    async def gate(brief: il.Brief) -> str:
        started.set()
        await opened.wait()
        return "through"

    url = locate(tmp_path)
    async with build_asking_desk(url, gate=gate) as desk, build_asking_desk(url) as other:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        await started.wait()
        async with asyncio.timeout(20):
            while len(questions := await other.aquestions("t")) < 2:
                await asyncio.sleep(0)
        answers = {q.id: il.edit(q.step_id) for q in questions}
        seen = await other.aanswer("t", answers)
        assert (seen.status, run.done()) == ("waiting", False)
        opened.set()
        result = await run
    assert result.status == "completed"
    assert result.outputs["join"] == {"left": "left", "right": "right"}


async def test_what_does_not_fit_the_question_is_refused_and_changes_nothing() -> None:
    """I10: unknown ids, decisions that are not allowed, content that has changed, late answers."""
    async with build_asking_desk() as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        left, right = waiting.questions
        with pytest.raises(il.UnknownQuestionError) as unknown:
            await desk.aanswer("t", {"q-nobody": il.approve(), left.id: il.edit(1)})
        assert set(unknown.value.open_ids) == {left.id, right.id}
        with pytest.raises(il.InvalidAnswerError, match="approve"):
            await desk.aanswer("t", {left.id: il.approve()})  # there is no output to approve
        with pytest.raises(il.InvalidAnswerError, match="message"):
            await desk.aanswer("t", {left.id: il.Answer(type="reject")})
        changed = il.edit(1).model_copy(update={"shown_hash": right.shown_hash})
        with pytest.raises(il.StaleAnswerError, match="changed"):
            await desk.aanswer("t", {left.id: changed})
        assert [q.id for q in await desk.aquestions("t")] == [left.id, right.id]
        bound = il.edit(1).model_copy(update={"shown_hash": left.shown_hash})
        await desk.aanswer("t", {left.id: bound})
        with pytest.raises(il.StaleAnswerError, match="otherwise"):
            await desk.aanswer("t", {left.id: il.edit(2), right.id: il.edit(3)})
        assert [q.id for q in await desk.aquestions("t")] == [right.id]
        done = await desk.aanswer("t", {right.id: il.edit(3)})
        assert await desk.aanswer("t", {right.id: il.edit(3)}) == done
        with pytest.raises(il.StaleAnswerError):
            await desk.aanswer("t", {right.id: il.edit(4)})
        with pytest.raises(il.UnknownThreadError):
            await desk.aanswer("nowhere", {right.id: il.edit(3)})
        assert await desk.aresume("t") == done
    assert done.outputs["join"] == {"left": 1, "right": 3}


async def test_a_question_of_another_thread_is_unknown_here() -> None:
    """I10: an id reaches only the thread it was asked on."""
    async with build_asking_desk() as desk:
        first = await desk.ainvoke("Test", thread_id="t")
        await desk.ainvoke("Test", thread_id="u")
        with pytest.raises(il.UnknownQuestionError):
            await desk.aanswer("u", {first.questions[0].id: il.edit(1)})
        assert len(await desk.aquestions()) == 4
