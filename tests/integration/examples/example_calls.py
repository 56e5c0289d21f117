"""The examples' command lines as a user types them, and the benchmark's files."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.cli.shell import WAIT_SECONDS, Done

ROOT = Path(__file__).parents[3]
BENCHMARK = ROOT / "workloads" / "tau"
TICKETS, DATA = BENCHMARK / "retail_test.json", BENCHMARK / "retail_db"
RETAIL_DESK = (sys.executable, "-m", "examples.retail_desk")
FIELDS = {"id", "status", "steps", "attempts", "handoffs", "final_hash", "expected_hash"}


class ExampleCalls:
    """Processes that call the examples; their temporary files go to a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._started: list[subprocess.Popen[str]] = []

    def start(
        self,
        *arguments: str | Path,
        command: Sequence[str] = RETAIL_DESK,
        cwd: Path = ROOT,
        path: Path | None = None,
        stdout: int = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start a command and do not wait for it.

        Args:
            arguments: The command line's.
            command: What they are given to.
            cwd: The working folder.
            path: Where Python looks for modules first, after the working folder.
            stdout: A file descriptor instead of a pipe to read from.
        """
        env = {**os.environ, "TMPDIR": str(self.temporary), "COLUMNS": "120"}
        env["PYTHONWARNINGS"] = "error"
        if path is not None:
            env["PYTHONPATH"] = str(path)
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=cwd,
            env=env,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str | Path, **options: Any) -> Done:
        """Run a command to its end; the options are those of `start`."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=WAIT_SECONDS)
        return Done(code=process.returncode, out=out or "", err=err)

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
