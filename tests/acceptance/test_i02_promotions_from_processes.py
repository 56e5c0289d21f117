"""I2: conflicting promotions from eight processes that are killed and frozen: no anomaly at all."""

import asyncio
import json
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.acceptance.list_histories import Operation, find_anomalies
from tests.acceptance.promoting_processes import (
    CALL,
    LEASE,
    SPACE,
    Notes,
    build_desk,
    list_unfinished,
    note_end,
    read_notes,
)
from tests.acceptance.zygote import Zygote, open_zygotes
from tests.postgres.waiting_until import wait_until
from tests.raw_database import open_raw

PROCESSES = 8
HARMLESS = {"ThreadBusyError", "LeaseLostError", "StorageBusyError"}
"""What may stop a run that another process drives, or has taken over: never a failure of storage."""
LEAST = 12
"""A campaign on a slow machine goes on until so many kills and freezes have come about."""


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return processes that fork quickly."""
    with open_zygotes(PROCESSES) as opened:
        for zygote in opened:
            zygote.run("asyncio:sleep", delay=0)  # returns once it has imported
        yield opened


@pytest.fixture(params=["postgresql", pytest.param("sqlite", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a storage that processes can share, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/run.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


class Campaign:
    """Eight places, in each of which one process after another lives."""

    def __init__(self, zygotes: Sequence[Zygote], folder: Path, url: str, *, seed: int) -> None:
        """Start nothing yet."""
        self._zygotes = zygotes
        self._folder = folder
        self._url = url
        self._seed = seed
        self.killed = 0
        self.frozen = 0

    def run(self, seconds: float) -> None:
        """Let the processes live, kill and freeze them, and tell those that are left to stop."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(PROCESSES) as pool:
            places = [pool.submit(self._serve_place, place) for place in range(PROCESSES)]
            while time.monotonic() < end or self.killed + self.frozen < LEAST:
                time.sleep(0.1)
            (self._folder / "stop").touch()
            for place in places:
                place.result()

    @property
    def _is_over(self) -> bool:
        return (self._folder / "stop").exists()

    def _serve_place(self, place: int) -> None:
        draw = random.Random(self._seed * 100 + place)
        life = 0
        while not self._is_over:
            life += 1
            name = f"p{place}-{life}"
            arguments = {"directory": str(self._folder), "url": self._url, "life": name}
            pid = self._zygotes[place].start(CALL, **arguments, seed=draw.randrange(1 << 30))
            self._disturb(pid, draw, self._folder / f"notes-{name}")
            assert self._zygotes[place].wait() in {0, -signal.SIGKILL}

    def _disturb(self, pid: int, draw: random.Random, notes: Path) -> None:
        """Freeze a process for longer than its leases hold, or kill it, over and over."""
        wait_until(lambda: self._is_over or b'"end"' in read(notes), seconds=60, what=notes)
        while not self._is_over:
            time.sleep(draw.uniform(0.2, 1.5))
            if self._is_over:
                return
            if draw.random() < 0.5:
                os.kill(pid, signal.SIGKILL)
                self.killed += 1
                return
            os.kill(pid, signal.SIGSTOP)
            time.sleep(LEASE.total_seconds() * draw.uniform(1.2, 2.0))
            os.kill(pid, signal.SIGCONT)
            self.frozen += 1


def read(file: Path) -> bytes:
    """Return what a file holds; nothing if it is not there yet."""
    return file.read_bytes() if file.exists() else b""


async def finish_all(url: str, folder: Path) -> None:
    """Drive what was left to its end, so that nothing is unknown any more."""
    notes = Notes(folder, "last")
    async with build_desk(url, notes, random.Random(0)) as desk:
        while left := await list_unfinished(desk):
            for thread_id in left:
                try:
                    note_end(notes, await desk.aresume(thread_id))
                except il.ThreadBusyError:
                    await asyncio.sleep(0.1)


def build_history(folder: Path) -> list[Operation]:
    """Return what the processes have noted, one operation a run."""
    by_name: dict[str, dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for note in read_notes(folder):
        by_name[note["name"]][note["kind"]].append(note)
    return [build_operation(name, notes) for name, notes in by_name.items() if "invoke" in notes]


def build_operation(name: str, notes: Mapping[str, list[Mapping[str, Any]]]) -> Operation:
    """Return one operation; whoever noted its end first has known it first."""
    invoke = notes["invoke"][0]
    end = min(notes.get("end", ()), key=lambda note: note["at"], default=None)
    outcome: Any = "unknown"
    if end is not None:
        outcome = "ok" if end["status"] == "completed" else "fail"
    return Operation(
        name=name,
        writes=frozenset(invoke["writes"]),
        outcome=outcome,
        seen=end["seen"] if end else None,
        glimpsed=tuple(note["seen"] for note in notes.get("attempt", ())),
        invoked=invoke["at"],
        ended=end["at"] if end else None,
    )


def read_versions(url: str) -> dict[str, list[list[str]]]:
    """Return each list as it was after each of its versions, read without our own code."""
    lists: dict[str, list[list[str]]] = defaultdict(list)
    with open_raw(url) as raw:
        rows = raw.execute(
            "SELECT key, value FROM context_facts WHERE space = ? ORDER BY version", (SPACE,)
        )
        numbers = raw.execute(
            "SELECT version FROM context_versions WHERE space = ? ORDER BY version", (SPACE,)
        )
    assert [number for (number,) in numbers] == list(range(1, len(numbers) + 1))
    for key, value in rows:
        lists[key].append(json.loads(value))
    return lists


def promote_under_fire(
    zygotes: Sequence[Zygote], folder: Path, url: str, *, seconds: float
) -> tuple[Campaign, list[Operation]]:
    """Run a campaign and check its history; return both."""
    campaign = Campaign(zygotes, folder, url, seed=int(seconds))
    campaign.run(seconds)
    asyncio.run(finish_all(url, folder))
    stops = [note for note in read_notes(folder) if note["kind"] == "stopped"]
    assert [stop for stop in stops if stop["error"] not in HARMLESS] == []
    history = build_history(folder)
    versions = read_versions(url)
    for lists in versions.values():
        assert all(after[:-1] == before for before, after in pairwise(lists))
    final = {key: lists[-1] for key, lists in versions.items()}
    assert find_anomalies(history, final) == []
    return campaign, history


def test_i02_promotions_from_eight_processes_are_serial(
    zygotes: Sequence[Zygote], tmp_path: Path, url: str
) -> None:
    """I2: killed and frozen processes: nothing lost, doubled, reordered or read dirty."""
    campaign, history = promote_under_fire(zygotes, tmp_path, url, seconds=8)
    assert campaign.killed
    assert campaign.frozen
    assert sum(operation.outcome == "ok" for operation in history) > 20


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_i02_promotions_in_a_campaign(zygotes: Sequence[Zygote], tmp_path: Path, url: str) -> None:
    """I2: the same for minutes."""
    campaign, history = promote_under_fire(zygotes, tmp_path, url, seconds=120)
    assert campaign.killed > 50
    assert campaign.frozen > 50
    assert sum(operation.outcome == "ok" for operation in history) > 100
