"""A process that is frozen in a step, and one that takes its thread over; called by zygotes.

    first -> pay -> last

`pay` calls a guarded tool that pays at a till, which takes the call's key, as payment services do.
The first process stops there at a moment, says so with a file, and goes on when there is another.
"""

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.contracts.ids import ThreadId
from tests.acceptance.effect_processes import append_line

CALL = f"{__name__}:live"
THREAD = ThreadId("t")
LEASE = timedelta(seconds=1)


def pay_at_till(folder: Path, key: str, receipt: str) -> str:
    """Pay once for each key; a call again gets the receipt of the first."""
    try:
        with (folder / f"paid-{key}").open("x") as file:
            file.write(receipt)
    except FileExistsError:
        return (folder / f"paid-{key}").read_text()
    return receipt


def read_till(folder: Path, key: str) -> str | None:
    """Return the receipt of a key, or None."""
    file = folder / f"paid-{key}"
    return file.read_text() if file.exists() else None


class StandInTransaction:
    """Stands in the middle of a transaction, once it is told to, until there is a file `go`."""

    def __init__(self, folder: Path) -> None:
        """Let transactions pass."""
        self._folder = folder
        self.is_armed = False

    def before_commit(self, index: int) -> None:
        """Stand here, before the COMMIT, all locks held."""
        if self.is_armed:
            (self._folder / "standing").touch()
            while not (self._folder / "go").exists():
                time.sleep(0.01)

    def after_commit(self, index: int) -> None:
        """Go on."""


def build_desk(
    folder: Path, *, storage: SqlStorage, name: str, moment: str | None, hook: StandInTransaction
) -> il.Orchestrator:
    """Return the team; with a moment, `pay` waits there."""

    async def stand_at(here: str) -> None:
        if here == "after the tool" and moment == "in a transaction":
            hook.is_armed = True
        if here == moment:
            (folder / "standing").touch()
            while not (folder / "go").exists():
                await asyncio.sleep(0.01)

    @il.idempotent(probe=lambda key, order: read_till(folder, key))
    async def pay(order: str, *, key: il.IdempotencyKey) -> str:
        await stand_at("in the tool")
        receipt = pay_at_till(folder, key, f"{order} paid by {name}")
        await stand_at("after the effect")
        return receipt

    async def work(brief: il.Brief) -> str:
        append_line(folder / "starts", f"{brief.step_id} {name}")
        if brief.step_id == "pay":
            await stand_at("before the tool")
            receipt = await pay("o1")
            await stand_at("after the tool")
            return f"{receipt}, said by {name}"
        return f"made by {name}"

    steps = [
        il.Step(id="first", worker="worker", instruction="a"),
        il.Step(id="pay", worker="worker", instruction="b", needs=["first"]),
        il.Step(id="last", worker="worker", instruction="c", needs=["pay"]),
    ]
    return il.Orchestrator(
        workers=[il.Worker(name="worker", agent=work)],
        planner=il.TaskGraph(goal="pay", steps=steps),
        storage=storage,
        lease_ttl=LEASE,
    )


async def live(directory: str, url: str, name: str, moment: str | None = None) -> None:
    """Start the run, or go on with it as soon as it is free, and write down how it ended."""
    folder = Path(directory)
    hook = StandInTransaction(folder)
    storage = SqlStorage(url, write_hook=hook)
    await storage.connect()
    desk = build_desk(folder, storage=storage, name=name, moment=moment, hook=hook)
    async with desk:
        try:
            said = await _drive(desk, is_first=moment is not None)
        except il.InterlockError as exc:
            said = {"error": type(exc).__name__}
    await storage.aclose()
    await asyncio.to_thread((folder / f"end-{name}").write_text, json.dumps(said))


async def _drive(desk: il.Orchestrator, *, is_first: bool) -> dict[str, Any]:
    if is_first:
        return _describe(await desk.ainvoke("pay", thread_id=THREAD))
    while True:
        try:
            return _describe(await desk.aresume(THREAD))
        except (il.ThreadBusyError, il.StorageBusyError):
            await asyncio.sleep(0.05)


def _describe(result: il.RunResult) -> dict[str, Any]:
    return {"status": result.status, "outputs": dict(result.outputs)}
