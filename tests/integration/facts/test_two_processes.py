"""Two real processes on one thread: the second is refused, a frozen first commits nothing (55).

As a script, `python test_two_processes.py FOLDER` drives thread `t` in the folder's database: it
says `working` once its second step works, goes on when it is sent a line, and says how it ended.
"""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import build_desk, build_step, locate
from tests.integration.thread_reading import read_thread, resume_twice


def build_slow_desk(folder: Path, *, is_first: bool, **options: Any) -> il.Orchestrator:
    """Return the team; in the first process, its second step waits to be sent a line."""

    def work(brief: il.Brief) -> str:
        with (folder / "starts").open("a") as file:
            file.write(f"{brief.step_id} {is_first}\n")
        if brief.step_id == "slow" and is_first:
            print("working", flush=True)
            sys.stdin.readline()
        return f"made by {'the first' if is_first else 'the second'}"

    steps = (
        build_step("fast", "work"),
        build_step("slow", "work", needs=["fast"]),
        build_step("last", "work", needs=["slow"]),
    )
    return build_desk({"work": work}, *steps, storage=locate(folder), **options)


async def drive_first(folder: Path) -> str:
    """Drive the thread; return how that ended."""
    async with build_slow_desk(folder, is_first=True, lease_ttl=timedelta(hours=1)) as desk:
        try:
            return (await desk.ainvoke("Test", thread_id="t")).status
        except il.InterlockError as exc:
            return type(exc).__name__


@pytest.fixture
def first(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Return the first process, at work on its second step; gone after the test."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "working\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


async def let_go_on(process: subprocess.Popen[str]) -> str:
    """Send the waiting step its line; return what the process says at its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    said = await asyncio.to_thread(process.stdout.readline)
    assert await asyncio.to_thread(process.wait) == 0
    return said.strip()


def dump_rows(folder: Path) -> list[str]:
    """Return every row of the database, as SQL."""
    connection = sqlite3.connect(folder / "desk.db")
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


async def test_a_second_process_is_refused_and_told_who_runs_the_thread(
    tmp_path: Path, first: subprocess.Popen[str]
) -> None:
    """Row 55: it may read, but not drive; what it tried changes nothing for the first."""
    async with build_slow_desk(tmp_path, is_first=False) as desk:
        with pytest.raises(il.ThreadBusyError) as refused:
            await desk.aresume("t")
        assert str(first.pid) in refused.value.owner
        assert "Wait for it, or stop that process" in str(refused.value)
        with pytest.raises(il.UnfinishedRunError, match="aresume"):
            await desk.ainvoke("Test", thread_id="t")
        status = await read_thread(desk, "t")
        assert (status.status, status.owner) == ("running", refused.value.owner)
        assert [attempt.step_id for attempt in status.running] == ["slow"]
        assert await let_go_on(first) == "completed"
        result = await resume_twice(desk, "t")
    assert set(result.outputs.values()) == {"made by the first"}
    assert (tmp_path / "starts").read_text().splitlines() == ["fast True", "slow True", "last True"]


async def test_a_frozen_process_that_was_taken_over_commits_nothing_when_it_wakes(
    tmp_path: Path, first: subprocess.Popen[str]
) -> None:
    """Row 55: SIGSTOP, another finishes the run, SIGCONT: not one row of the database changes."""
    first.send_signal(signal.SIGSTOP)
    clock = StoppedClock()
    clock.instant = datetime.now(UTC) + timedelta(days=1)  # long past the frozen one's lease
    async with build_slow_desk(tmp_path, is_first=False, clock=clock) as desk:
        result = await desk.aresume("t")
        before = dump_rows(tmp_path)
        first.send_signal(signal.SIGCONT)
        assert await let_go_on(first) == "LeaseLostError"
        assert dump_rows(tmp_path) == before
        assert await resume_twice(desk, "t") == result
        await read_thread(desk, "t")
    assert result.outputs == {
        "fast": "made by the first",
        "slow": "made by the second",
        "last": "made by the second",
    }
    starts = (tmp_path / "starts").read_text().splitlines()
    assert starts == ["fast True", "slow True", "slow False", "last False"]


if __name__ == "__main__":
    print(asyncio.run(drive_first(Path(sys.argv[1]))), flush=True)
