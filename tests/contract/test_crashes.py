"""Real processes on one database: killed, frozen, started together."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.checkpoints import open_storage
from interlock.contracts.errors import ThreadBusyError
from interlock.contracts.plain import derive_bytes_hash
from interlock.contracts.storage import Batch

TTL = timedelta(hours=1)

_CHILD = """
import asyncio, os, signal, sys
from datetime import timedelta
from interlock.checkpoints import open_storage
from interlock.contracts.errors import InterlockError
from interlock.contracts.storage import Batch
from langgraph.checkpoint.base import empty_checkpoint

CONFIG = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}

def say(word):
    print(word, flush=True)

async def listen():
    return (await asyncio.to_thread(sys.stdin.readline)).strip()

class DieAt:
    def __init__(self, moment, index):
        self.moment, self.index = moment, index
    def before_commit(self, index):
        if (self.moment, self.index) == ("before", index):
            os.kill(os.getpid(), signal.SIGKILL)
    def after_commit(self, index):
        if (self.moment, self.index) == ("after", index):
            os.kill(os.getpid(), signal.SIGKILL)

async def hold(url, seconds):
    async with open_storage(url) as storage:
        await storage.acquire_lease("t", ttl=timedelta(seconds=float(seconds)))
        await storage.commit("t", Batch(payloads=[b"1"]))
        say("held")
        await listen()
        for write in (
            lambda: storage.commit("t", Batch(payloads=[b"2"])),
            lambda: storage.checkpointer.aput(CONFIG, empty_checkpoint(), {}, {}),
        ):
            try:
                await write()
                say("wrote")
            except InterlockError as error:
                say(type(error).__name__)

async def write_and_die(url, moment, index):
    async with open_storage(url, write_hook=DieAt(moment, int(index))) as storage:
        for number in range(100):
            await storage.commit("t", Batch(payloads=[b"%d" % number]))
            say(number)

async def open_at_once(url, _):
    say("ready")
    await listen()
    async with open_storage(url) as storage:
        await storage.commit("t", Batch(payloads=[str(os.getpid()).encode()]))
    say("done")

asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
"""


@contextmanager
def child(*arguments: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a process of the script above; it is gone at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def listen(process: subprocess.Popen[str]) -> str:
    """Return the next line that a child says."""
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    """Let a child go on."""
    process.stdin.write("go\n")
    process.stdin.flush()


async def test_processes_that_open_a_fresh_storage_at_once_all_succeed(lasting_url: str) -> None:
    """Row 46: migrating one fresh storage from eight processes at the same time leaves it whole."""
    with ExitStack() as stack:
        processes = [stack.enter_context(child("open_at_once", lasting_url, 0)) for _ in range(8)]
        for process in processes:
            assert listen(process) == "ready"
        for process in processes:
            tell(process)
        assert [listen(process) for process in processes] == ["done"] * 8
        pids = [process.pid for process in processes]
    async with open_storage(lasting_url) as storage:
        for pid in pids:
            assert await storage.load_payload("t", derive_bytes_hash(b"%d" % pid)) == pid


async def test_killed_owner_is_taken_over_at_once(lasting_url: str) -> None:
    """A lease whose process is dead keeps nobody waiting, reaped or not."""
    with child("hold", lasting_url, 3600) as owner:
        assert listen(owner) == "held"
        async with open_storage(lasting_url) as storage:
            with pytest.raises(ThreadBusyError) as caught:
                await storage.acquire_lease("t", ttl=TTL)
            assert str(owner.pid) in caught.value.owner
            owner.send_signal(signal.SIGKILL)
            os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped
            assert (await storage.acquire_lease("t", ttl=TTL)).token == 2


async def test_frozen_owner_writes_nothing_after_a_takeover(lasting_url: str, clock: Any) -> None:
    """An owner that slept past its ttl and was taken over stores nothing when it wakes."""
    from datetime import UTC, datetime

    with child("hold", lasting_url, 3600) as owner:
        assert listen(owner) == "held"
        owner.send_signal(signal.SIGSTOP)
        clock.instant = datetime.fromtimestamp(4_000_000_000, UTC)  # long past its ttl
        async with open_storage(lasting_url, clock=clock) as storage:
            assert (await storage.acquire_lease("t", ttl=TTL)).token == 2
            await storage.commit("t", Batch(payloads=[b"3"]))
            owner.send_signal(signal.SIGCONT)
            tell(owner)
            said = [await asyncio.to_thread(listen, owner) for _ in range(2)]
            assert said == ["LeaseLostError"] * 2
            hashes = await storage._database.read(
                lambda c: {row[0] for row in c.execute("SELECT hash FROM payloads")}
            )
            assert hashes == {derive_bytes_hash(b"1"), derive_bytes_hash(b"3")}
            config = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
            assert await storage.checkpointer.aget_tuple(config) is None


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("index", [1, 2, 17])
async def test_kill_at_a_commit_keeps_all_that_was_acknowledged(
    lasting_url: str, moment: str, index: int
) -> None:
    """I6: kill -9 around the n-th commit leaves exactly the commits before it, or it too."""
    with child("write_and_die", lasting_url, moment, index) as process:
        told = process.stdout.read().split()
        assert process.wait() == -signal.SIGKILL
    assert told == [str(number) for number in range(index - 1)]
    async with open_storage(lasting_url) as storage:
        stored = await storage._database.read(
            lambda c: sorted(json.loads(row[0]) for row in c.execute("SELECT data FROM payloads"))
        )
    assert stored == list(range(index if moment == "after" else index - 1))


async def test_foreign_lock_is_waited_for(file_url: str, tmp_path: Path) -> None:
    """A write lock of another connection delays a write and does not fail it."""
    async with open_storage(file_url) as storage:
        other = sqlite3.connect(tmp_path / "storage.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(storage.commit("t", Batch(payloads=[b"1"])))
        assert await storage.list_runs() == []
        assert not writing.done()
        other.execute("COMMIT")
        other.close()
        await writing


async def test_lock_held_too_long_is_a_typed_error(
    file_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database locked for longer than the patience is reported as busy; writing goes on."""
    from interlock.checkpoints.sqlite import database_file
    from interlock.contracts.errors import StorageBusyError

    monkeypatch.setattr(database_file, "BUSY_SECONDS", 0.05)
    async with open_storage(file_url) as storage:
        other = sqlite3.connect(tmp_path / "storage.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusyError):
            await storage.commit("t", Batch(payloads=[b"1"]))
        other.execute("COMMIT")
        other.close()
        await storage.commit("t", Batch(payloads=[b"1"]))
