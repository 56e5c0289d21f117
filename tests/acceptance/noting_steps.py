"""A run of two steps whose workers note what they do, that a process can be killed in.

    first -> second

Each is refused once and reads its own notes at its second attempt. `first` is async; `second` is a
sync function, which notes from a thread of its own, also while it may be killed.
"""

import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import interlock as il
from interlock.checkpoints import SqlStorage
from tests.acceptance.six_steps import DieAt

CALL = f"{__name__}:live"
THREAD = "t"
STEPS = ("first", "second")


def note_down(brief: il.Brief) -> dict[str, Any]:
    """Note twice the same and once more; return what an output must agree with over crashes."""
    read = list(brief.scratchpad)
    brief.scratchpad.append("tried")
    brief.scratchpad.append("tried")
    brief.scratchpad.append(f"attempt {brief.attempt} of {brief.step_id}")
    return {"read": read, "is_second": brief.attempt == 2}


def count_stored(directory: Path) -> int:
    """Return how many notes are durable, read by a connection of one's own."""
    connection = sqlite3.connect(directory / "run.db")
    try:
        return int(connection.execute("SELECT count(*) FROM scratchpad_notes").fetchone()[0])
    finally:
        connection.close()


def build_plan() -> il.TaskGraph:
    """Return the plan."""
    fields: dict[str, Any] = {
        "criteria": [il.expr("output.is_second")],
        "retry": il.Retry(max_attempts=2),
    }
    return il.TaskGraph(
        goal="notes",
        steps=[
            il.Step(id="first", worker="first", instruction="a", **fields),
            il.Step(id="second", worker="second", instruction="b", needs=["first"], **fields),
        ],
    )


async def live(
    directory: str, *, side: str | None = None, index: int = 0, die_noting: bool = False
) -> None:
    """Start the run, or go on with it, and write down what came of it.

    Args:
        directory: Where the database and the result lie.
        side: `before` or `after` the commit at which to die.
        index: Which commit, counted from 1 in this process.
        die_noting: Whether `second` kills its process once its first attempt's notes are durable.
    """
    place = Path(directory)
    hook = DieAt(side, index)
    storage = SqlStorage(f"sqlite:///{place}/run.db", write_hook=hook)
    await storage.connect()

    async def first(brief: il.Brief) -> dict[str, Any]:
        return note_down(brief)

    def second(brief: il.Brief) -> dict[str, Any]:
        value = note_down(brief)
        if die_noting:
            while count_stored(place) < 9:
                pass
            os.kill(os.getpid(), signal.SIGKILL)
        return value

    workers = [il.Worker(name="first", agent=first), il.Worker(name="second", agent=second)]
    async with il.Orchestrator(workers=workers, planner=build_plan(), storage=storage) as desk:
        if await storage.load_run(THREAD) is None:  # type: ignore[arg-type]
            result = await desk.ainvoke("notes", thread_id=THREAD)
        else:
            result = await desk.aresume(THREAD)
        said = {
            "status": result.status,
            "outputs": dict(result.outputs),
            "notes": {step: await list_notes(desk, step) for step in STEPS},
            "briefs": [
                [h.step_id, h.attempt, h.payload["scratchpad"], h.payload_hash]
                for h in await desk.ahandoffs(THREAD)
                if h.kind == "brief"
            ],
            "commits": hook.commits,
        }
    (place / "result").write_text(json.dumps(said))
    await storage.aclose()


async def list_notes(desk: il.Orchestrator, step: str) -> list[Any]:
    """Return who noted what in which attempt."""
    notes = await desk.ascratchpad(THREAD, step)
    return [[note.worker, note.attempt, note.text] for note in notes]
