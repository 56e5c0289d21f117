"""A run that a kill ends at any commit: copies of the database file, each of which goes on by itself."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import HumanMessage

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.contracts.ids import ThreadId
from interlock.testing import ModelReply, ScriptedModel
from tests.integration.teams import build_step
from tests.metrics.recount_calls import PRICES
from tests.metrics.recount_runs import TWICE
from tests.metrics.recount_stage import Stage, TickingClock

THREAD: Final = "killed"

LEASE_SECONDS: Final = 20
"""After so long, nobody holds a dead process's threads any more."""


class Photographer:
    """Copies a database file after each commit, as a kill there would leave it."""

    def __init__(self, path: Path) -> None:
        """Copy this file."""
        self._path = path
        self.copies: list[Path] = []

    def before_commit(self, index: int) -> None:
        """Do nothing."""

    def after_commit(self, index: int) -> None:
        """Take a copy."""
        copy = self._path.with_name(f"killed{index}.db")
        for suffix in ("", "-wal"):
            source = self._path.with_name(f"{self._path.name}{suffix}")
            if source.exists():
                shutil.copy(source, copy.with_name(f"{copy.name}{suffix}"))
        self.copies.append(copy)


async def photograph(
    path: Path, act: Callable[[Stage], Awaitable[Any]]
) -> tuple[list[Path], TickingClock]:
    """Live a whole life, and return what a kill after each of its commits would have left."""
    clock, photographer = TickingClock(), Photographer(path)
    storage = SqlStorage(f"sqlite:///{path}", clock=clock, write_hook=photographer)
    stage = Stage(storage=storage, clock=clock)
    await storage.connect()
    try:
        await act(stage)
    finally:
        await storage.aclose()
    return photographer.copies, clock


async def go_on(stage: Stage) -> il.RunResult:
    """Start the life or go on with it, to its end."""
    agents = build_agents(stage)
    async with stage.open(agents, *STEPS, team="killed", policy=POLICY) as desk:
        if await stage.storage.load_run(ThreadId(THREAD)) is None:
            result = await desk.ainvoke("Live", thread_id=THREAD)
        else:
            result = await desk.aresume(THREAD)
        while result.questions:
            stage.take(3_000)
            result = await desk.aanswer(THREAD, {q.id: il.approve() for q in result.questions})
    return result


POLICY: Final = il.RunPolicy(prices=PRICES)
STEPS: Final = (
    build_step("write", criteria=[il.expr("size(output) > 6")], retry=TWICE),
    build_step("pay", needs=["write"], publishes={"receipt": "output.receipt"}),
    build_step("mail", needs=["pay"], approval="true", fallback=[il.use_value("later")]),
)


def build_agents(stage: Stage) -> dict[str, Callable[..., Any]]:
    """Return workers whose answers depend on nothing but the attempt."""

    def slow(call: Any) -> bool:
        stage.take(50)
        return True

    model = ScriptedModel(model_name="writer")
    model.script(ModelReply(text="a draft", usage=(20, 5)), when=slow, times=None)

    @il.idempotent(natural=True)
    async def refund(order: str) -> str:
        stage.take(30)
        return f"receipt of {order}"

    async def write(brief: il.Brief) -> str:
        said = await model.ainvoke([HumanMessage(brief.instruction)])
        return str(said.text)[: 4 * brief.attempt]

    async def pay(brief: il.Brief) -> dict[str, str]:
        return {"receipt": await refund("o1"), "again": await refund("o1")}

    async def mail(brief: il.Brief) -> str:
        raise il.PermanentError("no mail today")

    return {"write": write, "pay": pay, "mail": mail}
