"""Processes that promote to the same facts of one named space, and note what they saw.

Called by zygotes. Each run is one operation: one step, told its own name, reads the lists `a` and
`b` and publishes one or both of them with its name at the end; or it puts its name into `m`, which
is merged. Every process also takes over runs that another has left. Notes are lines of a file a
life, which a kill leaves whole.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import interlock as il

CALL = f"{__name__}:live"
SPACES: Final = {"log": "one"}
SPACE: Final = "space/log/one"
READ: Final = ("a", "b")
MERGED: Final = "m"
LEASE: Final = timedelta(seconds=1)
WAYS: Final = ("a", "b", "a", "b", "ab", "m")
CONTEXT: Final = il.SharedContext(
    facts=[
        *(il.Fact(name=key, space="log") for key in READ),
        il.Fact(name=MERGED, space="log", on_conflict="merge", merge="join"),
    ],
    merges={"join": lambda held, offered: [*held, *offered]},
)


class Notes:
    """What a process saw, durable against its own death."""

    def __init__(self, folder: Path, life: str) -> None:
        """Write to a file that no other life writes to."""
        self._file = os.open(folder / f"notes-{life}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, kind: str, name: str, **more: Any) -> None:
        """Note something about an operation, with the instant, on the machine's one clock."""
        line = json.dumps({"kind": kind, "name": name, "at": time.monotonic(), **more})
        os.write(self._file, f"{line}\n".encode())


def read_notes(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Return all that was noted in all lives."""
    for file in folder.glob("notes-*"):
        for line in file.read_text().splitlines():
            yield json.loads(line)


def build_plan(request: il.PlanRequest) -> il.TaskGraph:
    """Return the plan of one operation, whose goal is its name and the lists that it writes."""
    name, writes = request.goal.split()
    publishes = {key: f"output.lists.{key}" for key in writes}
    step = il.Step(
        id="append",
        worker="appender",
        instruction=name,
        context=() if writes == MERGED else READ,
        publishes=publishes,
        retry=il.Retry(max_attempts=40, backoff=timedelta(0)),
    )
    return il.TaskGraph(goal=request.goal, steps=[step])


def build_desk(url: str, notes: Notes, draw: random.Random) -> il.Orchestrator:
    """Return the team."""

    async def append(brief: il.Brief) -> dict[str, Any]:
        name = brief.instruction
        seen = {key: list(brief.dump()["context"].get(key) or ()) for key in brief.context}
        notes.add("attempt", name, seen=seen)
        await asyncio.sleep(draw.uniform(0, 0.02))  # others promote meanwhile
        lists = {key: [*seen.get(key, ()), name] for key in (*READ, MERGED)}
        return {"seen": seen, "lists": lists}

    return il.Orchestrator(
        workers=[il.Worker(name="appender", agent=append)],
        planner=build_plan,
        storage=url,
        context=CONTEXT,
        lease_ttl=LEASE,
    )


async def live(directory: str, url: str, life: str, seed: int) -> None:
    """Make operations, and finish those of others, until there is a file `stop`."""
    folder, draw = Path(directory), random.Random(seed)
    notes = Notes(folder, life)
    async with build_desk(url, notes, draw) as desk:
        number = 0
        while not (folder / "stop").exists():
            number += 1
            try:
                if draw.random() < 0.2:
                    await take_over(desk, notes, draw)
                else:
                    await operate(desk, notes, f"{life}.{number}", draw.choice(WAYS))
            except (il.TransientError, il.StorageError, il.LeaseLostError) as exc:
                notes.add("stopped", f"{life}.{number}", error=type(exc).__name__, why=str(exc))


async def operate(desk: il.Orchestrator, notes: Notes, name: str, writes: str) -> None:
    """Make one operation as a run of its own."""
    notes.add("invoke", name, writes=writes)
    note_end(notes, await desk.ainvoke(f"{name} {writes}", thread_id=name, spaces=SPACES))


async def take_over(desk: il.Orchestrator, notes: Notes, draw: random.Random) -> None:
    """Finish a run that nobody drives any more, if there is one."""
    left = await list_unfinished(desk)
    if left:
        note_end(notes, await desk.aresume(draw.choice(left)))


async def list_unfinished(desk: il.Orchestrator) -> list[str]:
    """Return the threads whose runs have not ended."""
    runs = await desk._open_storage.list_runs(status="running")
    return [run.thread_id for run in runs]


def note_end(notes: Notes, result: il.RunResult) -> None:
    """Note how an operation has ended."""
    seen = result.outputs["append"]["seen"] if result.status == "completed" else None
    notes.add("end", result.thread_id, status=result.status, seen=seen)
