"""I5 over real processes: one effect for all duplicates, and none more after a kill in a tool."""

import json
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.acceptance.effect_processes import AGENT, SAME_DATABASE, SAME_KEY
from tests.acceptance.zygote import Zygote, open_zygotes

PROCESSES = 4
CALLS = 50


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return processes that fork quickly."""
    with open_zygotes(PROCESSES) as opened:
        yield opened


def test_i05_two_hundred_duplicates_over_processes_are_one_effect(
    zygotes: Sequence[Zygote], tmp_path: Path
) -> None:
    """I5: 200 equal calls from four processes at once: one effect, one answer for all."""
    for number, zygote in enumerate(zygotes):
        zygote.start(SAME_KEY, directory=str(tmp_path), name=f"p{number}", calls=CALLS)
    assert [zygote.wait() for zygote in zygotes] == [0] * PROCESSES
    answers = [
        answer
        for number in range(PROCESSES)
        for answer in json.loads((tmp_path / f"answers-p{number}").read_text())
    ]
    (line,) = (tmp_path / "paid").read_text().splitlines()
    assert len(answers) == PROCESSES * CALLS
    assert answers == [{"receipt": 1, "by": line.split()[-1]}] * len(answers)


@pytest.mark.parametrize("guard", ["tool", "middleware"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_i05_an_agent_killed_in_a_tool_goes_on(
    zygotes: Sequence[Zygote], tmp_path: Path, guard: str, moment: str
) -> None:
    """I5: killed between the model's tool call and its result: one effect, a history that stands."""
    arguments = {"directory": str(tmp_path), "guard": guard}
    assert zygotes[0].run(AGENT, **arguments, moment=moment) == -signal.SIGKILL
    assert zygotes[0].run(AGENT, **arguments) == 0
    assert json.loads((tmp_path / "result").read_text())["status"] == "completed"
    assert sorted((tmp_path / "paid").read_text().splitlines()) == ["o1", "o2"]


def read_paid(database: Path) -> tuple[list[str], int]:
    """Return what was paid and how many effects are recorded as done, read without our own code."""
    connection = sqlite3.connect(database)
    try:
        done = connection.execute("SELECT count(*) FROM effects WHERE state = 'done'").fetchone()[0]
        paid = [one for (one,) in connection.execute("SELECT id FROM paid ORDER BY rowid")]
    except sqlite3.OperationalError:  # killed before there was a table
        return [], 0
    finally:
        connection.close()
    return paid, done


@pytest.mark.parametrize("every", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_i05_a_tool_in_the_storage_database_is_exactly_once(
    zygotes: Sequence[Zygote], tmp_path: Path, every: int
) -> None:
    """I5: killed before or after any commit, effects and records agree; the resume adds the rest."""
    kills = 0
    for side in ("before", "after"):
        for index in range(1, 100, every):
            directory = tmp_path / f"{side}{index}"
            directory.mkdir()
            code = zygotes[0].run(SAME_DATABASE, directory=str(directory), side=side, index=index)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            kills += 1
            paid, done = read_paid(directory / "desk.db")
            assert len(paid) == done
            assert zygotes[0].run(SAME_DATABASE, directory=str(directory)) == 0
            assert json.loads((directory / "result").read_text()) == 2
            assert read_paid(directory / "desk.db") == (["o1", "o2"], 2)
    assert kills > 12 // every
