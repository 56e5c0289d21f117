"""OTLP through a real collector: a run is killed with SIGKILL and resumed, all by the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.telemetry.collector import open_collector, wait_until

INTERLOCK = Path(sys.executable).with_name("interlock")
HERE = Path(__file__).parent


def read_lines(path: Path) -> list[Any]:
    """Return a file's JSON lines; none if it is not there yet."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class App:
    """A folder with the traced team, and commands that send what they record to a collector."""

    def __init__(self, folder: Path, *, url: str) -> None:
        shutil.copy(HERE / "traced_desk.py", folder / "app.py")
        self._folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "INTERLOCK_"))}
        self._environment = {
            **kept,
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "20",
            "LANGSMITH_TRACING": "false",
        }

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command."""
        command = [INTERLOCK, *arguments]
        return subprocess.Popen(
            command, cwd=self._folder, env=self._environment, stdout=subprocess.PIPE
        )

    def run_until_killed(self, is_time: Callable[[], object]) -> None:
        """Start a run, and kill it once it is time."""
        process = self.start("run", "app:desk", "g", "--thread", "t", "--otel")
        try:
            wait_until(is_time)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()

    def resume(self) -> None:
        """Go on with it to its end."""
        (self._folder / "go").touch()
        process = self.start("resume", "app:desk", "t", "--otel")
        process.communicate(timeout=60)
        assert process.returncode == 0

    def list_traces(self) -> dict[tuple[str, str | None], str]:
        """Return the journal's traces by kind and step."""
        process = self.start("handoffs", "t", "--storage", "sqlite:///desk.db", "--json")
        out, _ = process.communicate(timeout=60)
        rows = json.loads(out)["handoffs"]
        return {(row["kind"], row["step_id"]): row["trace_id"] for row in rows}


def test_a_killed_run_is_linked_exactly(tmp_path: Path) -> None:
    """The resumed run is linked to the span of the killed one, its attempt to the killed attempt.

    Neither of these ever ended, so that no exporter had seen them; the database knew both.
    """
    notes = tmp_path / "spans.jsonl"
    with open_collector(tmp_path) as (url, received):
        app = App(tmp_path, url=url)
        app.run_until_killed(lambda: len(read_lines(notes)) == 2 and received.find("step first"))
        app.resume()
        wait_until(lambda: received.find("invoke_workflow desk") and received.metrics)
        traces = app.list_traces()

    first, killed, again = read_lines(notes)
    assert len({span.span_id for span in received.spans}) == len(received.spans)
    (done,) = received.find("step first")
    assert int.from_bytes(done.trace_id) == first["trace"] == killed["trace"]
    (run,) = received.find("invoke_workflow desk")  # the killed one never ended
    assert int.from_bytes(run.trace_id) == again["trace"] != first["trace"]
    (link,) = run.links
    assert (link.trace_id, link.span_id) == (done.trace_id, done.parent_span_id)

    (attempt,) = received.find("attempt second")
    assert int.from_bytes(attempt.span_id) == again["attempt"]
    (link,) = attempt.links
    assert int.from_bytes(link.trace_id) == killed["trace"]
    assert int.from_bytes(link.span_id) == killed["attempt"]
    names = [span.name for span in received.spans if span.trace_id == run.trace_id]
    assert sorted(names) == [
        "attempt second",
        "invoke_agent second",
        "invoke_workflow desk",
        "promotion",
        "review",
        "step second",
    ]
    assert {resource["service.name"] for resource in received.resources} == {"interlock"}
    assert "interlock.attempts" in {metric.name for metric in received.metrics}
    assert traces["output", "first"] == done.trace_id.hex()
    assert traces["brief", "second"] == done.trace_id.hex()
    assert traces["output", "second"] == run.trace_id.hex()
