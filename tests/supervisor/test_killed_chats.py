"""A chat whose process is killed goes on where it was."""

import signal
import subprocess
import sys
from pathlib import Path


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the chat in a process of its own, until it ends or dies."""
    return subprocess.run(
        [sys.executable, "-m", "tests.supervisor.killed_chat", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )


def test_kill_9_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    """After kill -9 the turn is resumed: what was settled is not run again, the answer is the same (I6)."""
    killed = run(tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "All is done completed\n"
    starts = (tmp_path / "starts").read_text().split()
    assert starts == ["sturdy", "fragile", "fragile"]
