"""I4, I6: a real process that takes notes is killed; every note is there afterwards, once."""

import json
import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.noting_steps import CALL, count_stored
from tests.acceptance.zygote import Zygote, open_zygotes, run_all

SIDES = ("before", "after")


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return processes that fork quickly."""
    with open_zygotes(2) as opened:
        yield opened


def run(zygote: Zygote, directory: Path, **arguments: Any) -> int:
    """Start the run, or go on with it; return the exit code."""
    directory.mkdir(exist_ok=True)
    return zygote.run(CALL, directory=str(directory), **arguments)


def read(directory: Path) -> dict[str, Any]:
    """Return what the run came to, without what differs from run to run."""
    said: dict[str, Any] = json.loads((directory / "result").read_text())
    return {name: value for name, value in said.items() if name != "commits"}


def count_commits(directory: Path) -> int:
    """Return how many commits a whole run made."""
    return int(json.loads((directory / "result").read_text())["commits"])


def list_expected(step: str) -> list[list[Any]]:
    """Return the notes that an uninterrupted run leaves on a step."""
    return [
        [step, attempt, text]
        for attempt in (1, 2)
        for text in ("tried", "tried", f"attempt {attempt} of {step}")
    ]


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_i04_notes_survive_a_kill_at_every_commit(
    zygotes: Sequence[Zygote], tmp_path: Path, every: int
) -> None:
    """Killed before or after any commit and resumed: the same notes, each once, the same briefs."""
    whole = tmp_path / "whole"
    assert run(zygotes[0], whole) == 0
    wanted = read(whole)
    assert wanted["status"] == "completed"
    assert wanted["notes"] == {step: list_expected(step) for step in ("first", "second")}
    assert [brief[2] for brief in wanted["briefs"]] == [
        [],
        ["tried", "tried", "attempt 1 of first"],
        [],
        ["tried", "tried", "attempt 1 of second"],
    ]

    def crash(side: str, index: int, zygote: Zygote) -> bool:
        directory = tmp_path / f"{side}{index}"
        code = run(zygote, directory, side=side, index=index)
        assert code in {0, -signal.SIGKILL}
        if code != 0:
            assert run(zygote, directory) == 0
        assert read(directory) == wanted
        return code != 0

    commits = count_commits(whole)
    cases = [partial(crash, side, n) for n in range(1, commits + 3, every) for side in SIDES]
    assert sum(run_all(zygotes, cases)) >= 2 * (commits // every) - 4  # how writes meet differs


def test_i04_notes_of_a_killed_attempt_are_kept(zygotes: Sequence[Zygote], tmp_path: Path) -> None:
    """Killed between notes and output, an attempt leaves its notes; run again, it adds none."""
    directory = tmp_path / "killed"
    assert run(zygotes[0], directory, die_noting=True) == -signal.SIGKILL
    assert count_stored(directory) == 9
    assert run(zygotes[0], directory) == 0
    assert count_stored(directory) == 12
    said = read(directory)
    assert said["status"] == "completed"
    assert said["notes"]["second"] == list_expected("second")
    assert said["outputs"]["second"]["read"] == ["tried", "tried", "attempt 1 of second"]
