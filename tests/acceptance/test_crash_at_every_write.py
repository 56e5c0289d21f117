"""I6: a real process is killed at every durable write, resumed, and compared."""

import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.six_step_results import count_starts, read, require_same
from tests.acceptance.six_steps import CALL
from tests.acceptance.zygote import Zygote, open_zygotes, run_all

PROCESSES = 3
WAVE = 12
SIDES = ("before", "after")
MOST_COMMITS = 400
"""Far beyond what six steps write: a run that never ends fails the test, it does not hang it."""


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return processes that fork quickly."""
    with open_zygotes(PROCESSES) as opened:
        yield opened


def list_settled(directory: Path) -> set[str]:
    """Return the steps whose outcome is durable and terminal, read without our own code."""
    database = directory / "run.db"
    if not database.exists():
        return set()
    connection = sqlite3.connect(database)
    try:
        rows = connection.execute("SELECT step_id FROM outcomes WHERE status <> 'waiting'")
        return {step for (step,) in rows}
    except sqlite3.OperationalError:  # killed before there was a table
        return set()
    finally:
        connection.close()


def resume(zygote: Zygote, directory: Path, **arguments: Any) -> int:
    """Go on with a run, and refuse that anything settled starts again."""
    before, settled = count_starts(directory), list_settled(directory)
    code = zygote.run(CALL, directory=str(directory), **arguments)
    again = count_starts(directory) - before
    assert not {start.split()[0] for start in again} & settled
    return code


def run_whole(zygote: Zygote, directory: Path, **arguments: Any) -> Path:
    """Run without a kill."""
    directory.mkdir()
    assert zygote.run(CALL, directory=str(directory), **arguments) == 0
    return directory


def find_reach(
    zygotes: Sequence[Zygote],
    build_case: Callable[[str, int], Callable[[Zygote], bool]],
    *,
    every: int = 1,
) -> int:
    """Run a case at every commit, or only every so many, on both sides, until a wave reaches none.

    Returns:
        How many commits were died at.
    """
    reached = 0
    for first in range(1, MOST_COMMITS, WAVE):
        wave = [build_case(side, n) for n in range(first, first + WAVE, every) for side in SIDES]
        died = run_all(zygotes, wave)
        reached += sum(died)
        if not any(died):
            return reached
    raise AssertionError(f"the run had not ended after {MOST_COMMITS} commits")


@pytest.mark.parametrize("every", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_i06_killed_at_every_commit(zygotes: Sequence[Zygote], tmp_path: Path, every: int) -> None:
    """I6: kill -9 before or after any commit; the resumed run is the uninterrupted one."""
    whole = run_whole(zygotes[0], tmp_path / "whole")

    def crash(side: str, index: int, zygote: Zygote) -> bool:
        directory = tmp_path / f"{side}{index}"
        directory.mkdir()
        code = zygote.run(CALL, directory=str(directory), side=side, index=index)
        assert code in {0, -signal.SIGKILL}
        if code != 0:
            assert resume(zygote, directory) == 0
        require_same(directory, whole, kills=1)
        return code != 0

    reached = find_reach(zygotes, lambda side, n: partial(crash, side, n), every=every)
    assert reached >= read(whole)["commits"] // every


def test_i06_killed_twice(zygotes: Sequence[Zygote], tmp_path: Path) -> None:
    """I6: the resume may be killed too."""
    whole = run_whole(zygotes[0], tmp_path / "whole")
    commits = read(whole)["commits"]

    def crash(index: int, again: int, zygote: Zygote) -> bool:
        directory = tmp_path / f"{index}-{again}"
        directory.mkdir()
        first = zygote.run(CALL, directory=str(directory), side="after", index=index)
        second = resume(zygote, directory, side="before", index=again)
        if second != 0:
            assert resume(zygote, directory) == 0
        require_same(directory, whole, kills=2)
        return first != 0 and second != 0

    cases = [
        partial(crash, index, again)
        for index in range(2, commits, 5)
        for again in (2, 4 + index % 5, 11)
    ]
    assert sum(run_all(zygotes, cases)) > len(cases) // 2


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_i06_answer_survives_a_kill_at_every_commit(
    zygotes: Sequence[Zygote], tmp_path: Path, every: int
) -> None:
    """I6, I10: a process that answers is killed at any commit; the answer counts once."""
    whole = run_whole(zygotes[0], tmp_path / "whole", is_asked=True, answers="all")
    asked = run_whole(zygotes[0], tmp_path / "asked", is_asked=True)
    assert read(asked)["questions"] == ["output shaky"]
    options: dict[str, Any] = {"is_asked": True}

    def crash(side: str, index: int, zygote: Zygote) -> bool:
        directory = tmp_path / f"{side}{index}"
        shutil.copytree(asked, directory)
        code = resume(zygote, directory, side=side, index=index, answers="all", **options)
        if code != 0:
            assert resume(zygote, directory, **options) == 0
            open_now = read(directory)["questions"]
            assert open_now in ([], ["output shaky"], ["before_step report"])
            assert resume(zygote, directory, answers="all", **options) == 0
        require_same(directory, whole, kills=1)
        return code != 0

    reached = find_reach(zygotes, lambda side, n: partial(crash, side, n), every=every)
    assert reached > WAVE // every


def live_under_fire(seed: int, zygote: Zygote, *, tmp_path: Path, whole: Path) -> int:
    """Kill every life of a run after a random time, until one ends; return how many there were."""
    directory = tmp_path / f"seed{seed}"
    directory.mkdir()
    draw = random.Random(seed)
    for lives in range(1, 60):
        seconds = draw.uniform(0, 0.03) + 0.01 * lives
        if resume(zygote, directory, die_after_seconds=seconds) == 0:
            require_same(directory, whole, kills=lives)
            return lives
    raise AssertionError("the run does not get on between kills")


def test_i06_killed_at_random_instants(zygotes: Sequence[Zygote], tmp_path: Path) -> None:
    """I6: kill -9 at instants that fall where they fall, over and over in one run."""
    whole = run_whole(zygotes[0], tmp_path / "whole")
    cases = [partial(live_under_fire, seed, tmp_path=tmp_path, whole=whole) for seed in range(5)]
    assert sum(run_all(zygotes, cases)) > len(cases)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_i06_killed_at_random_instants_in_a_campaign(
    zygotes: Sequence[Zygote], tmp_path: Path
) -> None:
    """I6: the same, hundreds of times."""
    whole = run_whole(zygotes[0], tmp_path / "whole")
    cases = [
        partial(live_under_fire, seed, tmp_path=tmp_path, whole=whole) for seed in range(100, 500)
    ]
    assert sum(run_all(zygotes, cases)) > len(cases)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_i06_killed_twice_everywhere(zygotes: Sequence[Zygote], tmp_path: Path) -> None:
    """I6: every pair of a first and a second kill."""
    whole = run_whole(zygotes[0], tmp_path / "whole")
    commits = read(whole)["commits"]

    def crash(index: int, again: int, zygote: Zygote) -> None:
        directory = tmp_path / f"{index}-{again}"
        directory.mkdir()
        zygote.run(CALL, directory=str(directory), side="after", index=index)
        if resume(zygote, directory, side="after", index=again) != 0:
            assert resume(zygote, directory) == 0
        require_same(directory, whole, kills=2)
        shutil.rmtree(directory)

    run_all(
        zygotes,
        [partial(crash, a, b) for a in range(1, commits + 1) for b in range(1, commits + 1)],
    )
