"""Databases that cannot be used, or stop being usable: a typed error, and no step is lost."""

import asyncio
import gc
import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.integration.teams import Recorder, build_desk, build_step, give, locate
from tests.integration.thread_reading import read_thread, resume_twice

STEPS = 6


def build_chain(*, size: int = 0) -> tuple[Recorder, dict[str, Any]]:
    """Return a worker and a team's fields: steps one after another, each making so many bytes."""
    work = Recorder(lambda brief: {"step": brief.step_id, "data": os.urandom(size).hex()})
    steps = [
        build_step(f"s{number}", "work", needs=[f"s{number - 1}"] if number else [])
        for number in range(STEPS)
    ]
    return work, {"agents": {"work": work}, "steps": steps}


def build_chain_desk(folder: Path, team: dict[str, Any]) -> il.Orchestrator:
    """Return the team on the folder's database."""
    return build_desk(team["agents"], *team["steps"], storage=locate(folder))


def write_foreign(path: Path) -> None:
    """Make another application's database."""
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
    connection.close()


def raise_version(path: Path) -> None:
    """Mark a database of ours as written by a newer release."""
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def spoil_header(path: Path) -> None:
    """Overwrite the first bytes of a database."""
    path.write_bytes(b"\x00" * 64 + path.read_bytes()[64:])


def spoil_pages(path: Path) -> None:
    """Overwrite all of a database but its first page."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))


async def _resume(desk: il.Orchestrator, thread_id: str) -> il.RunResult:
    """Open a team, look at a thread and resume it."""
    async with desk:
        await desk.astatus(thread_id)
        return await desk.aresume(thread_id)


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (write_foreign, il.StorageSchemaError, "another application"),
        (raise_version, il.StorageSchemaError, "schema version 99"),
        (spoil_header, il.StorageCorruptError, "not an SQLite database"),
        (spoil_pages, il.StorageCorruptError, "is damaged. Restore it from a backup"),
    ],
)
async def test_an_unusable_file_is_named_and_a_restored_one_goes_on(
    tmp_path: Path, spoil: Callable[[Path], None], error: type[il.StorageError], words: str
) -> None:
    """The team says what is wrong with which file and leaves it as it is; a backup resumes."""
    path = tmp_path / "desk.db"
    ask = Recorder(ValueError("no"))
    step = build_step("ask", fallback=[il.ask_person()])
    async with build_desk({"ask": ask}, step, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
    backup = path.read_bytes()
    if spoil is write_foreign:
        path.unlink()
    spoil(path)
    spoiled = path.read_bytes()
    desk = build_desk({"ask": ask}, step, storage=locate(tmp_path))
    with pytest.raises(error, match=words) as refused:
        await _resume(desk, "t")
    assert str(path) in str(refused.value)
    assert path.read_bytes() == spoiled
    path.write_bytes(backup)
    async with desk:
        await read_thread(desk, "t")
        done = await desk.aanswer("t", {waiting.questions[0].id: il.edit("by hand")})
    assert done.outputs == {"ask": "by hand"}
    assert ask.calls == 1


def test_a_folder_that_is_not_there_is_named_by_sync_code_too(tmp_path: Path) -> None:
    """`invoke` says which folder to create, and works once it is there."""
    desk = build_desk({"work": give(1)}, storage=locate(tmp_path, "none/desk.db"))
    with pytest.raises(il.StorageError, match="does not exist"):
        desk.invoke("Test", thread_id="t")
    (tmp_path / "none").mkdir()
    assert desk.invoke("Test", thread_id="t").status == "completed"


async def _execute(desk: il.Orchestrator, statement: str) -> int:
    """Run a statement on the team's writing connection, in a transaction that only reads."""
    writer: Any = desk._storage._database._writer  # type: ignore[union-attr]
    row = await writer.run(
        lambda connection: connection.execute(statement).fetchone(), is_write=False
    )
    return int(row[0]) if row else 0


@pytest.mark.parametrize(
    ("spoil", "mend", "error", "words"),
    [
        (
            "PRAGMA max_page_count = {used}",
            "PRAGMA max_page_count = 1073741823",
            il.StorageFullError,
            "has no room left; nothing of this write was kept. Free space on its disk and resume",
        ),
        (
            "PRAGMA query_only = ON",
            "PRAGMA query_only = OFF",
            il.StorageReadOnlyError,
            "cannot be written. Make the file and its folder writable",
        ),
    ],
    ids=["full", "read-only"],
)
@pytest.mark.parametrize("place", ["s0", "s3"])
async def test_a_disk_that_gives_out_in_a_step_stops_the_run_where_it_can_be_resumed(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    place: str,
    spoil: str,
    mend: str,
    error: type[il.StorageError],
    words: str,
) -> None:
    """Nothing starts ahead of its record; reading goes on, and so does the run once it is mended.

    No settled step is started a second time, and one failure is reported once.
    """
    work, team = build_chain(size=20_000)
    is_spoiled = False

    async def fill_up(brief: il.Brief) -> Any:
        nonlocal is_spoiled
        if brief.step_id == place and not is_spoiled:
            is_spoiled = True
            used = await _execute(desk, "PRAGMA page_count")
            await _execute(desk, spoil.format(used=used))
        return await work(brief)

    desk = build_chain_desk(tmp_path, {**team, "agents": {"work": fill_up}})
    async with desk:
        with pytest.raises(error) as refused:
            await desk.ainvoke("Test", thread_id="t")
        assert words in str(refused.value)
        status = await read_thread(desk, "t")
        assert status.status == "running"
        settled = [h.step_id for h in await desk.ahandoffs("t") if h.kind == "output"]
        assert place not in settled
        assert work.briefs[-1].step_id == place
        with pytest.raises(error):
            await desk.aresume("t")
        await _execute(desk, mend)
        result = await desk.aresume("t")
        assert await resume_twice(desk, "t") == result
        await read_thread(desk, "t")
    gc.collect()  # what asyncio says of failures that nobody fetched, it says now
    assert [record for record in caplog.records if record.name == "asyncio"] == []
    started = [brief.step_id for brief in work.briefs]
    assert result.status == "completed"
    assert all(started.count(step) == 1 for step in settled)
    assert set(started) == {f"s{number}" for number in range(STEPS)}


def run_without_room(folder: Path) -> None:
    """Drive the chain while no file may be written from its third step on; then let it go on."""

    async def drive() -> dict[str, Any]:
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        work, team = build_chain(size=1000)
        told: dict[str, Any] = {}

        def take_room(brief: il.Brief) -> Any:
            if brief.step_id == "s2" and not told:
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
            return work(brief)

        async with build_chain_desk(folder, {**team, "agents": {"work": take_room}}) as desk:
            try:
                await desk.ainvoke("Test", thread_id="t")
            except il.InterlockError as exc:
                told["error"], told["words"] = type(exc).__name__, str(exc)
            told["status"] = (await read_thread(desk, "t")).status
            handoffs = await desk.ahandoffs("t")
            told["settled"] = [h.step_id for h in handoffs if h.kind == "output"]
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            told["result"] = (await desk.aresume("t")).status
        told["started"] = [brief.step_id for brief in work.briefs]
        return told

    print(json.dumps(asyncio.run(drive())))


def test_when_nothing_can_be_written_the_run_stops_and_the_same_process_goes_on(
    tmp_path: Path,
) -> None:
    """Real writes that the system refuses, giving the lease back included, lose nothing."""
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["error"] in {"StorageError", "StorageFullError"}
    assert "resume" in told["words"]
    assert str(tmp_path) in told["words"]
    assert (told["status"], told["result"]) == ("running", "completed")
    assert told["settled"] == ["s0", "s1"]
    assert told["started"] == ["s0", "s1", "s2", "s2", "s3", "s4", "s5"]


if __name__ == "__main__":
    run_without_room(Path(sys.argv[1]))
