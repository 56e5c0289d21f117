"""Locks, two processes, loops and shared values (rows 48 to 58)."""

import asyncio
import copy
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import Recorder, build_desk, build_step, give, locate
from tests.integration.thread_reading import read_thread, resume_twice

_LOCKER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""


async def test_a_foreign_lock_of_seconds_is_waited_for_before_the_next_step(
    tmp_path: Path,
) -> None:
    """Row 48: another process holds the write lock for 3 s; nothing runs ahead of its record."""
    first, second = Recorder("first"), Recorder("second")
    locker: list[subprocess.Popen[bytes]] = []
    seen_while_locked: list[int] = []

    def lock(brief: il.Brief) -> str:
        process = subprocess.Popen(
            [sys.executable, "-c", _LOCKER, str(tmp_path / "desk.db"), "3"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        locker.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        return "locked"

    async def watch() -> None:
        while not locker or locker[0].poll() is None:
            if locker:
                seen_while_locked.append(second.calls)
            await asyncio.sleep(0.05)

    steps = (
        build_step("first"),
        build_step("lock", needs=["first"]),
        build_step("second", needs=["lock"]),
    )
    agents = {"first": first, "lock": lock, "second": second}
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        run = asyncio.create_task(desk.ainvoke("Test", thread_id="t"))
        watching = asyncio.create_task(watch())
        while not locker:
            await asyncio.sleep(0.01)
        assert locker[0].stdin is not None
        locker[0].stdin.write(b"\n")
        locker[0].stdin.flush()
        result = await run
        await watching
        assert result.status == "completed"
        await read_thread(desk, "t")
    for stream in (locker[0].stdin, locker[0].stdout):
        assert stream is not None
        stream.close()
    assert locker[0].wait() == 0
    assert len(seen_while_locked) > 10
    assert set(seen_while_locked[:-2]) == {0}
    assert (first.calls, second.calls) == (1, 1)


async def test_reading_one_thread_while_listing_another_waits_for_nothing(tmp_path: Path) -> None:
    """Row 49: calls on the saver inside an open listing of it, or beside one, end."""
    async with build_desk({"work": give(1)}, storage=locate(tmp_path)) as desk:
        await desk.ainvoke("Test", thread_id="t")
        saver: Any = desk.graph.checkpointer
        config: Any = {"configurable": {"thread_id": "t"}}
        abandoned = saver.alist(config)
        await anext(abandoned)
        async with asyncio.timeout(10):
            seen = [
                (await saver.aget_tuple(found.config)).checkpoint["id"]
                async for found in saver.alist(config)
            ]
            assert (await desk.ainvoke("Test", thread_id="u")).status == "completed"
        await abandoned.aclose()
    assert len(seen) == len(set(seen)) > 1


async def test_a_thread_that_is_being_run_is_refused_to_others_until_it_is_free(
    tmp_path: Path,
) -> None:
    """Row 55: a second team on the same file gets a typed refusal that names the owner."""
    working, release = asyncio.Event(), asyncio.Event()

    async def wait(brief: il.Brief) -> str:
        working.set()
        await release.wait()
        return "once"

    slow = Recorder(wait)
    one = build_desk({"slow": slow}, storage=locate(tmp_path))
    two = build_desk({"slow": slow}, storage=locate(tmp_path))
    async with one, two:
        run = asyncio.create_task(one.ainvoke("Test", thread_id="t"))
        await working.wait()
        for desk in (one, two):
            with pytest.raises(il.ThreadBusyError) as refused:
                await desk.aresume("t")
            assert refused.value.thread_id == "t"
            assert refused.value.owner
            with pytest.raises(il.UnfinishedRunError):
                await desk.ainvoke("Test", thread_id="t")
        status = await two.astatus("t")
        assert (status.status, status.owner) == ("running", refused.value.owner)
        assert [attempt.step_id for attempt in status.running] == ["slow"]
        release.set()
        result = await run
        assert await two.aresume("t") == result
    assert result.outputs == {"slow": "once"}
    assert slow.calls == 1


async def test_who_has_lost_the_thread_to_another_writes_nothing_more(tmp_path: Path) -> None:
    """Row 55: a call whose lease ran out while it worked raises, and the other's result stands."""
    clock = StoppedClock()
    working, release = asyncio.Event(), asyncio.Event()

    async def sleep_over(brief: il.Brief) -> str:
        working.set()
        await release.wait()
        return "old owner"

    options: dict[str, Any] = {
        "storage": locate(tmp_path),
        "clock": clock,
        "lease_ttl": timedelta(hours=1),
    }
    old = build_desk({"work": sleep_over}, **options)
    new = build_desk({"work": give("new owner")}, **options)
    async with old, new:
        run = asyncio.create_task(old.ainvoke("Test", thread_id="t"))
        await working.wait()
        clock.advance(2 * 3600)
        result = await new.aresume("t")
        release.set()
        with pytest.raises(il.LeaseLostError) as lost:
            await run
        assert lost.value.thread_id == "t"
        assert result.outputs == {"work": "new owner"}
        assert await resume_twice(old, "t") == result
        outputs = [h.payload for h in await new.ahandoffs("t") if h.kind == "output"]
        assert outputs == ["new owner"]


def test_one_declared_team_works_in_one_event_loop_after_another(tmp_path: Path) -> None:
    """Row 56: nothing is bound to the loop that a team was built or first run in."""
    work = Recorder("done")
    desk = build_desk({"work": work}, storage=locate(tmp_path))
    for number in range(3):
        assert desk.invoke("Test", thread_id=f"t{number}").status == "completed"
    results: list[str] = []

    def in_thread() -> None:
        results.append(desk.invoke("Test", thread_id="from-thread").status)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert results == ["completed"]
    assert work.calls == 4


def test_one_declared_team_is_called_from_several_threads_at_once(tmp_path: Path) -> None:
    """Row 56: sync calls that overlap have each a loop and a storage of their own."""
    meeting = threading.Barrier(4)

    def work(brief: il.Brief) -> str:
        meeting.wait(20)  # all four runs are under way
        return "done"

    desk = build_desk({"work": work}, storage=locate(tmp_path))
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(desk.invoke, "Test", thread_id=f"t{number}") for number in range(4)]
        assert [call.result().status for call in calls] == ["completed"] * 4


async def test_one_opened_storage_serves_several_teams() -> None:
    """Row 56: teams that share a storage leave it open for each other."""
    async with il.open_storage("memory://") as storage:
        for number in range(2):
            async with build_desk({"work": give(number)}, storage=storage) as desk:
                assert (await desk.ainvoke("Test", thread_id=f"t{number}")).status == "completed"
        async with build_desk({"work": give(9)}, storage=storage) as desk:
            assert (await desk.aresume("t0")).outputs == {"work": 0}


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_value_changed_after_it_was_returned_changes_nothing_that_is_kept(
    tmp_path: Path, kind: str
) -> None:
    """Rows 57, 58: the output is a copy; neither dependents nor storage see later changes."""
    kept: list[dict[str, Any]] = []

    async def make(brief: il.Brief) -> dict[str, Any]:
        value: dict[str, Any] = {"rows": [1], "by": {"who": "make"}}
        kept.append(value)
        return value

    async def spoil(brief: il.Brief) -> Any:
        kept[0]["rows"].append("spoiled")
        kept[0]["by"]["who"] = "spoil"
        return dict(brief.inputs)

    late = Recorder(lambda brief: dict(brief.inputs))
    storage = "memory://" if kind == "memory" else locate(tmp_path)
    async with build_desk(
        {"make": make, "spoil": spoil, "late": late},
        build_step("make"),
        build_step("spoil", needs=["make"]),
        build_step("late", needs=["make", "spoil"], inputs={"made": "make"}),
        storage=storage,
    ) as desk:
        await desk.ainvoke("Test", thread_id="t")
        result = await desk.aresume("t")
    good = {"rows": [1], "by": {"who": "make"}}
    assert result.outputs == {"make": good, "spoil": {"make": good}, "late": {"made": good}}


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_worker_that_changes_its_brief_is_refused_and_a_sibling_sees_nothing(
    tmp_path: Path, kind: str
) -> None:
    """Row 58: every way to change an input fails; a deep copy may be changed freely."""
    refused: list[str] = []

    def change(brief: il.Brief) -> Any:
        for attempt in (
            lambda: brief.inputs["make"]["rows"].append(2),
            lambda: brief.inputs["make"].update(extra=1),
            lambda: brief.inputs.pop("make"),
            lambda: brief.inputs["make"]["rows"].__iadd__([3]),
            lambda: brief.context.setdefault("x", 1),
            lambda: setattr(brief, "instruction", "other"),
        ):
            try:
                attempt()
            except (TypeError, AttributeError) as exc:
                refused.append(str(exc))
        own = copy.deepcopy(brief.inputs)
        own["make"]["rows"].append("own")
        return own["make"]

    sibling = Recorder(lambda brief: dict(brief.inputs))
    storage = "memory://" if kind == "memory" else locate(tmp_path)
    async with build_desk(
        {"make": give({"rows": [1]}), "change": change, "sibling": sibling},
        build_step("make"),
        build_step("change", needs=["make"]),
        build_step("sibling", needs=["make", "change"], inputs={"made": "make"}),
        storage=storage,
    ) as desk:
        await desk.ainvoke("Test", thread_id="t")
        result = await desk.aresume("t")
    assert len(refused) == 6
    assert result.outputs["change"] == {"rows": [1, "own"]}
    assert result.outputs["sibling"] == {"made": {"rows": [1]}}
    assert result.outputs["make"] == {"rows": [1]}
