"""The cost of a step does not grow with the plan: counted in durable writes, not in seconds."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from interlock.checkpoints import SqlStorage
from tests.integration.teams import build_plan, build_step, build_workers, give, locate

LAYER = 10
MOST_COMMITS = 4
"""A step alone on the database needs one commit before its worker starts and one to settle."""


class CountedCommits:
    """Counts commits."""

    def __init__(self) -> None:
        """Start at zero."""
        self.count = 0

    def before_commit(self, index: int) -> None:
        """Do nothing."""

    def after_commit(self, index: int) -> None:
        """Note how many there have been."""
        self.count = index


def build_layers(steps: int) -> il.TaskGraph:
    """Return layers of ten steps, each of which needs two of the layer above."""

    def list_needs(n: int) -> list[str]:
        above = n - n % LAYER - LAYER
        return [f"s{above + n % LAYER}", f"s{above + (n + 1) % LAYER}"] if above >= 0 else []

    return build_plan(*(build_step(f"s{n}", "work", needs=list_needs(n)) for n in range(steps)))


async def measure(
    folder: Path, steps: int, *, stepwise: bool = False, **policy: Any
) -> dict[str, float]:
    """Run a plan of that many steps; return what it cost, by kind of cost, a step."""
    hook = CountedCommits()
    url = locate(folder, f"{steps}.db")
    storage = SqlStorage(url, write_hook=hook)
    await storage.connect()
    workers = build_workers({"work": give({"value": 7})})
    async with il.Orchestrator(
        workers=workers,
        planner=build_layers(steps),
        storage=storage,
        policy=il.RunPolicy(**policy),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t", stepwise=stepwise)
    await storage.aclose()
    assert result.status == "completed"
    with sqlite3.connect(folder / f"{steps}.db") as database:
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        rows = {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables
        }
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        size = pages * database.execute("PRAGMA page_size").fetchone()[0]
    database.close()
    costs = {"commits": hook.count, "bytes": size, "rows": sum(rows.values())}
    return {name: cost / steps for name, cost in costs.items()}


@pytest.mark.parametrize(
    ("max_parallel", "steps"), [(1, 300), pytest.param(16, 600, marks=pytest.mark.slow)]
)
async def test_a_step_of_a_big_plan_costs_what_a_step_of_a_small_one_costs(
    tmp_path: Path, max_parallel: int, steps: int
) -> None:
    """Rows and bytes a step are the same for a plan of six or twelve times the size, and its commits are few.

    How many commits there are depends on how writes meet, so they have a bound of their own.
    """
    few = await measure(tmp_path, 50, max_parallel=max_parallel)
    many = await measure(tmp_path, steps, max_parallel=max_parallel)
    for name in ("rows", "bytes"):
        assert many[name] < 1.1 * few[name], (name, few, many)
    assert max(few["commits"], many["commits"]) < MOST_COMMITS


async def test_a_run_that_returns_after_every_step_does_not_store_all_again(tmp_path: Path) -> None:
    """Stepwise, each superstep stores what its step added, and not the outcomes of all others."""
    few = await measure(tmp_path, 20, stepwise=True)
    many = await measure(tmp_path, 100, stepwise=True)
    for name in ("rows", "bytes"):
        assert many[name] < 1.1 * few[name], (name, few, many)
