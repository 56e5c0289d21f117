"""`python -m examples.retail_desk` as a user types it, and the benchmark's files."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.cli.shell import WAIT_SECONDS, Done, finish

ROOT = Path(__file__).parents[3]
BENCHMARK = ROOT / "workloads" / "tau"
TICKETS, DATA = BENCHMARK / "retail_test.json", BENCHMARK / "retail_db"
FIELDS = {"id", "status", "steps", "attempts", "handoffs", "final_hash", "expected_hash"}


class DeskCalls:
    """Calls of the example; their temporary files go to a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str | Path, cwd: Path = ROOT, **env: str) -> subprocess.Popen[str]:
        """Start the example and do not wait for it."""
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.retail_desk", *map(str, arguments)],
            cwd=cwd,
            env={
                **os.environ,
                "TMPDIR": str(self.temporary),
                "PYTHONWARNINGS": "error",
                "COLUMNS": "120",
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str | Path, cwd: Path = ROOT, **env: str) -> Done:
        """Run the example to its end."""
        return finish(self.start(*arguments, cwd=cwd, **env))

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            process.kill()
            process.communicate(timeout=WAIT_SECONDS)


def load_json(path: Path) -> Any:
    """Return what a file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def index_rows(done: Done) -> dict[str, dict[str, Any]]:
    """Return the reports on stdout by ticket; fails if there is anything else or one twice."""
    rows = {row["id"]: row for row in done.events}
    assert len(rows) == len(done.events)
    assert all(row.keys() >= FIELDS for row in rows.values())
    return rows


def require_all_right(rows: dict[str, dict[str, Any]]) -> None:
    """Fail if a ticket is not completed with the hash that its file gives."""
    for row in rows.values():
        assert row["status"] == "completed", row
        assert row["final_hash"] == row["expected_hash"], row
