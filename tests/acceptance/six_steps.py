"""A run of six steps that a process can be killed in: a diamond, a retry, a fallback, a fact.

    start -> left  -> join ---> report
          -> right -> join
          -> shaky ----------> report

`right` is refused once and mends its output from the feedback. `shaky` fails for good and a
second worker does it. `start` publishes a fact that `join` reads. Every start of a worker is a
line in a file, on the disk before the worker goes on.
"""

import asyncio
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.contracts.ids import ThreadId

CALL = f"{__name__}:live"
THREAD = ThreadId("t")
STEPS = ("start", "left", "right", "shaky", "join", "report")


class DieAt:
    """Kills this process before or after its n-th commit, and counts commits."""

    def __init__(self, side: str | None, index: int) -> None:
        """Die at no commit if there is no side."""
        self.side = side
        self.index = index
        self.commits = 0

    def before_commit(self, index: int) -> None:
        """Die here, if this is the place."""
        self._die_at("before", index)

    def after_commit(self, index: int) -> None:
        """Die here, if this is the place."""
        self.commits = index
        self._die_at("after", index)

    def _die_at(self, side: str, index: int) -> None:
        if (side, index) == (self.side, self.index):
            os.kill(os.getpid(), signal.SIGKILL)


def build_plan(*, is_asked: bool) -> il.TaskGraph:
    """Return the plan; with a question, `shaky` asks a person and `report` waits for approval."""
    way = il.ask_person() if is_asked else il.use_worker("backup")
    return il.TaskGraph(
        goal="report",
        steps=[
            il.Step(
                id="start", worker="maker", instruction="a", publishes={"region": "output.region"}
            ),
            il.Step(id="left", worker="maker", instruction="b", needs=["start"]),
            il.Step(
                id="right",
                worker="mender",
                instruction="c",
                needs=["start"],
                criteria=[il.expr("output.mended", message="mend it")],
                retry=il.Retry(max_attempts=2),
            ),
            il.Step(id="shaky", worker="broken", instruction="d", needs=["start"], fallback=[way]),
            il.Step(
                id="join",
                worker="maker",
                instruction="e",
                needs=["left", "right"],
                context=["region"],
            ),
            il.Step(
                id="report",
                worker="maker",
                instruction="f",
                needs=["join", "shaky"],
                approval="true" if is_asked else None,
            ),
        ],
    )


def build_workers(directory: Path) -> list[il.Worker]:
    """Return workers that write down each start, durably, before they do anything else."""

    def note(brief: il.Brief, worker: str) -> None:
        starts = os.open(directory / "starts", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(starts, f"{brief.step_id} {brief.attempt} {worker}\n".encode())
        os.fsync(starts)
        os.close(starts)

    async def maker(brief: il.Brief) -> dict[str, Any]:
        note(brief, "maker")
        shown = brief.dump()
        return {"region": "north", "of": brief.step_id, "from": shown["inputs"], **shown["context"]}

    async def mender(brief: il.Brief) -> dict[str, Any]:
        note(brief, "mender")
        return {"mended": bool(brief.feedback), "told": list(brief.feedback)}

    def broken(brief: il.Brief) -> None:
        note(brief, "broken")
        raise il.PermanentError("it never works")

    def backup(brief: il.Brief) -> str:
        note(brief, "backup")
        return f"instead, after {brief.feedback}"

    agents = {"maker": maker, "mender": mender, "broken": broken, "backup": backup}
    return [il.Worker(name=name, agent=agent) for name, agent in agents.items()]


async def live(
    directory: str,
    *,
    url: str | None = None,
    side: str | None = None,
    index: int = 0,
    die_after_seconds: float | None = None,
    is_asked: bool = False,
    answers: str = "none",
    name: str = "result",
) -> None:
    """Start the run, or go on with it, and write down how it stands.

    Args:
        directory: Where the starts, the result and, without a URL, the database lie.
        url: Of the storage.
        side: `before` or `after` the commit at which to die.
        index: Which commit, counted from 1 in this process.
        die_after_seconds: Die that long after the run has begun, wherever it stands.
        is_asked: Whether the plan asks a person.
        answers: `none`; `all`: answer whatever is open until nothing is; `first`: answer what is
            open at once, before anything else.
        name: Of the result file.
    """
    place = Path(directory)
    hook = DieAt(side, index)
    storage = SqlStorage(url or f"sqlite:///{place}/run.db", write_hook=hook)
    await storage.connect()
    async with il.Orchestrator(
        workers=build_workers(place), planner=build_plan(is_asked=is_asked), storage=storage
    ) as desk:
        if die_after_seconds is not None:
            _die_after(die_after_seconds)
        result = await _drive(desk, storage, answers=answers)
        await write_result(desk, result, place / name, commits=hook.commits)
    await storage.aclose()


async def _drive(desk: il.Orchestrator, storage: il.Storage, *, answers: str) -> il.RunResult:
    if answers == "first":
        result = await desk.aanswer(THREAD, answer_all(await desk.aquestions(THREAD)))
    elif await storage.load_run(THREAD) is None:
        result = await desk.ainvoke("report", thread_id=THREAD)
    else:
        result = await desk.aresume(THREAD)
    while answers != "none" and result.status == "waiting":
        result = await desk.aanswer(THREAD, answer_all(result.questions))
    return result


def answer_all(questions: Any) -> dict[str, il.Answer]:
    """Return the one answer that each kind of question gets here."""
    return {
        q.id: il.approve() if q.kind == "before_step" else il.edit("by hand") for q in questions
    }


def _die_after(seconds: float) -> None:
    def die() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=die, daemon=True).start()


async def write_result(
    desk: il.Orchestrator, result: il.RunResult, path: Path, *, commits: int = 0
) -> None:
    """Write down what a run came to, without what differs from run to run."""
    handoffs = await desk.ahandoffs(result.thread_id)
    run = result.model_dump(mode="json", exclude={"questions", "thread_id"})
    for outcome in run["outcomes"].values():
        outcome.pop("question")
    said = {
        "run": run,
        "questions": sorted(f"{q.kind} {q.step_id}" for q in result.questions),
        "journal": sorted(
            [
                h.kind,
                h.step_id or "",
                h.attempt,
                h.sender,
                h.receiver,
                "" if h.kind in {"question", "answer"} else h.payload_hash,
                h.verdict.action if h.verdict else h.status or "",
            ]
            for h in handoffs
        ),
        "ids": len({h.id for h in handoffs}),
        "commits": commits,
    }
    half = path.with_suffix(".half")
    text = json.dumps(said).replace(f"thread/{result.thread_id}", "thread/this")
    await asyncio.to_thread(half.write_text, text)
    half.replace(path)
