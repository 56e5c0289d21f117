"""What a worker asks while other steps still run: in the inbox at once, answerable at once."""

import asyncio
from pathlib import Path

from langgraph.types import interrupt

import interlock as il
from tests.integration.gates import Gate
from tests.integration.teams import build_desk, locate


def ask(brief: il.Brief) -> dict[str, object]:
    """Ask a person whether to pay."""
    return {"paid": interrupt({"pay": brief.inputs["cents"]})}


def build_pair(gate: Gate, folder: Path) -> il.Orchestrator:
    """Return a team of one step that asks, beside one that holds up the run."""
    steps = (
        il.Step(id="pay", worker="asker", instruction="Pay", arguments={"cents": 5}),
        il.Step(id="hold", worker="gate", instruction="Hold"),
    )
    return build_desk({"asker": ask, "gate": gate}, *steps, storage=locate(folder))


async def find_question(desk: il.Orchestrator) -> il.Question:
    """Return the one question that is asked, once it is."""
    async with asyncio.timeout(20):
        while not (questions := await desk.aquestions("t")):
            await asyncio.sleep(0)
    (question,) = questions
    return question


async def test_a_workers_question_is_in_the_inbox_while_another_step_still_works(
    tmp_path: Path,
) -> None:
    """I8: with its step, and in the journal; another process sees it before the run waits."""
    gate = Gate()
    async with build_pair(gate, tmp_path) as desk, build_pair(Gate(), tmp_path) as other:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        question = await find_question(other)
        assert (question.step_id, question.args) == ("pay", {"pay": 5})
        assert (await other.astatus("t")).status == "running"
        kinds = [handoff.kind for handoff in await other.ahandoffs("t", "pay")]
        assert kinds == ["brief", "question"]
        gate.opened.set()
        waiting = await run
    assert [q.id for q in waiting.questions] == [question.id]
    assert waiting.outputs == {"hold": "through"}


async def test_an_answer_that_comes_early_is_taken_up_without_a_stop(tmp_path: Path) -> None:
    """I10: answered by another process while the run goes on, the run ends without waiting."""
    gate = Gate()
    async with build_pair(gate, tmp_path) as desk, build_pair(Gate(), tmp_path) as other:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        question = await find_question(other)
        early = await other.aanswer("t", {question.id: il.approve()})
        assert early.status == "waiting"
        assert early.questions == ()
        gate.opened.set()
        result = await run
        kinds = [handoff.kind for handoff in await desk.ahandoffs("t", "pay")]
    assert result.status == "completed"
    assert result.outputs == {"pay": {"paid": True}, "hold": "through"}
    assert kinds == ["brief", "question", "answer", "output"]
    assert gate.starts == 1


async def test_every_question_is_told_once_whoever_records_it(tmp_path: Path) -> None:
    """The stream has one `QuestionAsked` for it, in the middle of the run."""
    gate = Gate()
    seen: list[str] = []
    async with build_pair(gate, tmp_path) as desk:
        async for event in desk.astream("Test", thread_id="t"):
            seen.append(type(event).__name__)
            if isinstance(event, il.events.QuestionAsked):
                assert event.question.step_id == "pay"
                gate.opened.set()
    assert seen.count("QuestionAsked") == 1
    assert seen.index("QuestionAsked") < seen.index("StepSettled")
