"""What the product measures of a window, beside what is recounted."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import interlock as il
from interlock.checkpoints import SqlStorage
from tests.integration.teams import build_desk, give
from tests.metrics.recount import Recount
from tests.metrics.recount_difference import list_differences
from tests.metrics.recount_rows import Rows, read_rows
from tests.metrics.recount_scope import Window

SCOPE: Final = frozenset({"thread_id", "team", "since", "until", "step_prefix"})
"""What metrics say of what was asked."""


async def measure(storage: SqlStorage, window: Window) -> dict[str, Any]:
    """Return what the product says of a window."""
    async with build_desk({"any": give(1)}, storage=storage) as desk:
        metrics: il.Metrics = await desk.ametrics(
            window.thread_id,
            team=window.team,
            since=window.since,
            until=window.until,
            step_prefix=window.step_prefix,
        )
    dumped: dict[str, Any] = metrics.model_dump(exclude=set(SCOPE))
    return dumped


async def compare(storage: SqlStorage, rows: Rows, window: Window) -> list[str]:
    """Return where the product and the recount differ about a window."""
    measured = await measure(storage, window)
    if rows.is_sealed:
        hidden = [{**row, "criterion": hide(row)} for row in measured["criteria"]]
        measured = {**measured, "criteria": hidden}
    return list_differences(measured, Recount(rows, window).count())


def hide(row: Mapping[str, Any]) -> str:
    """Return the hash by which sealed rows name a criterion."""
    return hashlib.sha256(f"{row['kind']}\x1f{row['criterion']}".encode()).hexdigest()


async def compare_url(url: str) -> list[str]:
    """Return where they differ about all that a storage holds, which nobody has open."""
    storage = SqlStorage(url)
    await storage.connect()
    try:
        return await compare(storage, await read_rows(storage), Window())
    finally:
        await storage.aclose()
