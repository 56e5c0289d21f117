"""A chat whose process is killed goes on where it was."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *, url: str, dying: str) -> subprocess.CompletedProcess[str]:
    """Run the chat in a process of its own, until it ends or dies."""
    return subprocess.run(
        [sys.executable, "-m", "tests.supervisor.killed_chat", str(folder), url, dying],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def require_goes_on(folder: Path, *, url: str, dying: str) -> None:
    """Kill a chat in the middle of a turn, and have another process end the turn."""
    killed = run(folder, url=url, dying=dying)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(folder, url=url, dying=dying)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "All is done completed\n"
    again = ["fragile"] if dying == "fragile" else []
    starts = (folder / "starts").read_text().split()
    assert starts == ["sturdy", "fragile", *again]


@pytest.mark.parametrize("dying", ["fragile", "model"])
def test_kill_9_in_the_middle_of_a_turn(tmp_path: Path, dying: str) -> None:
    """After kill -9 in a worker or in the routing model another process ends the turn (I6).

    What was settled is not run again, and the answer is the same.
    """
    require_goes_on(tmp_path, url=f"sqlite:///{tmp_path}/runs.db", dying=dying)


def test_kill_9_in_the_middle_of_a_turn_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """The same with runs and conversation in one PostgreSQL database, killed while it routes."""
    require_goes_on(tmp_path, url=postgres_url, dying="model")
