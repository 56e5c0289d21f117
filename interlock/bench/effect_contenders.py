"""What makes calls with effects: the bare tool, interlock's guard, and a DBOS step.

Every contender makes the same calls of the same tool, which waits for a while and counts itself, and
stores durably in a SQLite file of its own. SQLite's `synchronous` is FULL for both libraries; DBOS
keeps SQLite's rollback journal, interlock uses its write-ahead log: both as they come.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from interlock.bench.stopwatch import Elapsed, Stopwatch
from interlock.checkpoints import open_storage
from interlock.contracts.effect_ledger import Transaction
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import IdempotencyKey
from interlock.tools.effect_scope import effects
from interlock.tools.idempotent import idempotent


@dataclass(slots=True)
class Tool:
    """The tool that all contenders call.

    Attributes:
        seconds: How long one call of it waits.
        made: How many effects it has made.
    """

    seconds: float
    made: int = 0

    async def make(self, number: int) -> dict[str, Any]:
        """Make one effect."""
        if self.seconds:
            await asyncio.sleep(self.seconds)
        self.made += 1
        return {"number": number, "receipt": f"r-{number}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    """What is to be called.

    Attributes:
        tool: The tool.
        calls: How many calls.
        at_once: How many of them are under way at the same time.
    """

    tool: Tool
    calls: int
    at_once: int


Call = Callable[[int], Awaitable[Any]]
EffectContender = Callable[[CallPlan, Path], Coroutine[Any, Any, Elapsed]]
"""Makes the calls, with its database in a folder; setting up and closing are not counted."""


async def _time_calls(plan: CallPlan, call: Call) -> Elapsed:
    room = asyncio.Semaphore(plan.at_once)

    async def call_one(number: int) -> None:
        async with room:
            await call(number)

    stopwatch = Stopwatch()
    if plan.at_once == 1:
        for number in range(plan.calls):
            await call(number)
    else:
        await asyncio.gather(*(call_one(number) for number in range(plan.calls)))
    return stopwatch.read()


async def run_bare(plan: CallPlan, folder: Path) -> Elapsed:
    """Call the tool itself."""
    del folder
    return await _time_calls(plan, plan.tool.make)


async def run_guarded(plan: CallPlan, folder: Path) -> Elapsed:
    """Call the guarded tool: every call is a new effect."""
    guarded = _guard(plan.tool)
    async with open_storage(f"sqlite:///{folder / 'guarded.db'}") as storage:
        with effects(ledger=storage, scope="bench"):
            return await _time_calls(plan, guarded)


async def run_duplicates(plan: CallPlan, folder: Path) -> Elapsed:
    """Call the guarded tool again: every call is answered from the ledger."""
    guarded = _guard(plan.tool)
    async with open_storage(f"sqlite:///{folder / 'duplicates.db'}") as storage:
        with effects(ledger=storage, scope="bench"):
            await _time_calls(plan, guarded)
        with effects(ledger=storage, scope="bench"):
            return await _time_calls(plan, guarded)


def _guard(tool: Tool) -> Call:
    @idempotent()
    async def make(number: int, *, key: IdempotencyKey) -> dict[str, Any]:
        del key
        return await tool.make(number)

    return make


async def run_same_database(plan: CallPlan, folder: Path) -> Elapsed:
    """Call a tool that writes to the storage's own database, exactly once; it waits for nothing."""

    @idempotent()
    def make(number: int, *, lent: Transaction) -> dict[str, Any]:
        lent.execute("INSERT INTO made VALUES (?)", (number,))
        return {"number": number, "receipt": f"r-{number}"}

    def create(lent: Transaction) -> None:
        lent.execute("CREATE TABLE made (number INTEGER)")

    async with open_storage(f"sqlite:///{folder / 'same.db'}") as storage:
        await storage.transact(create)
        with effects(ledger=storage, scope="bench"):
            timing = await _time_calls(plan, lambda number: asyncio.to_thread(make, number))
        (row,) = await storage.transact(lambda lent: lent.execute("SELECT count(*) FROM made"))
    plan.tool.made += int(row[0])
    return timing


async def run_dbos(plan: CallPlan, folder: Path) -> Elapsed:
    """Call the tool as a step of one DBOS workflow."""
    async with _open_dbos(folder) as dbos:

        async def make(number: int) -> dict[str, Any]:
            return await plan.tool.make(number)

        step: Call = dbos.step()(make)

        async def call_all() -> list[float]:
            timing = await _time_calls(plan, step)
            return [timing.wall_seconds, timing.cpu_seconds]

        workflow = dbos.workflow()(call_all)
        dbos.launch()
        wall, cpu = await workflow()
    return Elapsed(wall_seconds=wall, cpu_seconds=cpu)


@asynccontextmanager
async def _open_dbos(folder: Path) -> AsyncGenerator[Any]:
    """Lend DBOS on a SQLite file, with no server, no telemetry and no log but errors."""
    module: Any = import_module("dbos")
    logging.getLogger("dbos").setLevel(logging.CRITICAL)
    config = {
        "name": "interlock-bench",
        "system_database_url": f"sqlite:///{folder / 'dbos.db'}",
        "run_admin_server": False,
        "enable_otlp": False,
        "log_level": "CRITICAL",
    }
    module.DBOS(config=config)
    try:
        yield module.DBOS
    finally:
        await asyncio.to_thread(module.DBOS.destroy, destroy_registry=True)


BARE: Final = "bare tool"
PEER: Final = "DBOS step"

CONTENDERS: Final[Mapping[str, EffectContender]] = {
    BARE: run_bare,
    "guarded": run_guarded,
    "guarded, duplicate": run_duplicates,
    "guarded, same database": run_same_database,
    PEER: run_dbos,
}
"""In the order in which they take turns."""


WITHOUT_TOOL: Final = frozenset({"guarded, duplicate", "guarded, same database"})
"""Contenders whose timed calls do not run the tool that waits: all they take is cost."""


def require_dbos() -> None:
    """Refuse before anything is measured if DBOS is missing.

    Raises:
        ConfigurationError: It is not installed.
    """
    if find_spec("dbos") is None:
        raise ConfigurationError(
            "The benchmark runs beside DBOS, which is not installed. "
            "Type: pip install 'interlock[bench]'"
        )
