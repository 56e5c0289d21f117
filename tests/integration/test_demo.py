"""`interlock demo` from the shell: what it shows, what really happened, and what it leaves behind.

Two whole runs are shared by the tests: one for people, whose folder is kept and read, and one for
programs. Expected database hashes are the benchmark's, from its packaged tickets.
"""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import interlock as il
from interlock.demo.packaged_data import TICKETS_FILE

_RUN = [sys.executable, "-c", "from interlock.cli.main import run; run()"]
_LONGEST_SECONDS = 100
RAISED, GARBAGE, HUNG, KILLED, REFUND = (f"retail-test-{n}" for n in (0, 64, 40, 30, 16))


def start(*arguments: str, temp: Path) -> subprocess.Popen[str]:
    """Start the command line; its temporary files go to a folder of the test."""
    temp.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*_RUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temp), "COLUMNS": "100", "PYTHONWARNINGS": "error"},
    )


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float


def call(*arguments: str, temp: Path) -> Ended:
    """Run the command line to its end."""
    begun = time.monotonic()
    with start(*arguments, temp=temp) as process:
        try:
            out, err = process.communicate(timeout=_LONGEST_SECONDS)
        finally:
            process.kill()
    return Ended(process.returncode, out, err, time.monotonic() - begun)


@pytest.fixture(scope="module")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for temporary files of the run for programs."""
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def programs(temp: Path) -> Ended:
    """Return a run for programs that keeps nothing."""
    return call("demo", "--json", temp=temp)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Return a run for people, in a pipe, whose folder is kept."""
    return call("demo", "--keep", temp=tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def kept(people: Ended) -> Path:
    """Return the folder that the run for people kept and named."""
    named = re.search(r"--storage sqlite:///(\S+)", people.out)
    assert named is not None, people
    return Path(named[1]).parent


def load_journal(kept: Path, thread_id: str) -> Sequence[il.Handoff]:
    """Return a thread's handoffs, through the public API."""

    async def load() -> Sequence[il.Handoff]:
        async with il.open_storage(f"sqlite:///{kept}/desk.db") as storage:
            return await storage.load_handoffs(thread_id, step_id=None, payloads=True)  # type: ignore[arg-type]

    return asyncio.run(load())


def load_starts(kept: Path, thread_id: str) -> list[dict[str, Any]]:
    """Return what each process noted when it started a worker on a thread."""
    lines = (kept / "starts.jsonl").read_text().splitlines()
    return [start for line in lines if (start := json.loads(line))["ticket_id"] == thread_id]


def find_refused(journal: Sequence[il.Handoff]) -> il.Handoff:
    """Return the one output of a journal that was not accepted, having seen its retry accepted."""
    outputs = [h for h in journal if h.kind == "output" and h.verdict is not None]
    (refused,) = [h for h in outputs if h.verdict is not None and h.verdict.action != "accept"]
    assert refused.verdict is not None
    assert (refused.attempt, refused.verdict.action) == (1, "retry")
    (second,) = [h for h in outputs if h.step_id == refused.step_id and h.attempt == 2]
    assert second.verdict is not None
    assert second.verdict.action == "accept"
    return refused


def load_second_brief(journal: Sequence[il.Handoff], step_id: str | None) -> Any:
    """Return what the worker was shown for its second attempt."""
    (brief,) = [h for h in journal if (h.kind, h.step_id, h.attempt) == ("brief", step_id, 2)]
    return brief.payload


def test_every_ticket_ends_with_the_recorded_database(programs: Ended) -> None:
    """Each ticket's database has the benchmark's hash at the end, and the exit code says so."""
    *tickets, last = map(json.loads, programs.out.splitlines())
    recorded = {
        task["id"]: task["final_db_sha256"]
        for task in json.loads(TICKETS_FILE.read_text())["tasks"]
    }
    assert {ticket["id"]: ticket["final_hash"] for ticket in tickets} == recorded
    assert all(ticket["ok"] and ticket["status"] == "completed" for ticket in tickets)
    summary = last["summary"]
    assert (summary["tickets"], summary["as_expected"], summary["ok"]) == (12, 12, True)
    assert (programs.code, programs.err) == (0, "")


def test_each_trouble_strikes_another_ticket(programs: Ended) -> None:
    """The objects for programs say what went wrong where, once each, and that it was handled."""
    *tickets, _ = map(json.loads, programs.out.splitlines())
    incidents = {(t["id"], i["trouble"]): i for t in tickets for i in t["incidents"]}
    assert set(incidents) == {
        (RAISED, "raised"),
        (GARBAGE, "garbage"),
        (HUNG, "hung"),
        (KILLED, "killed"),
        (REFUND, "refund"),
    }
    assert all(incident["is_handled"] for incident in incidents.values())


def test_nothing_is_left_in_the_temporary_folder(programs: Ended, temp: Path) -> None:
    """Without --keep, the folder is gone when the command has ended."""
    assert programs.code == 0
    assert list(temp.iterdir()) == []


def test_half_a_minute_is_enough(programs: Ended, people: Ended) -> None:
    """A whole run, imports included, takes less than 30 seconds."""
    assert max(programs.seconds, people.seconds) < 30


def test_people_read_plain_lines_and_a_table_in_a_pipe(people: Ended) -> None:
    """In a pipe there are no escapes and no blanks at line ends; every ticket has its row."""
    assert people.code == 0
    assert people.err == ""
    assert "\x1b" not in people.out
    assert not re.search(r"[ \t]$", people.out, flags=re.MULTILINE)
    _, table = people.out.split("\nTICKET ")
    rows = re.findall(r"^(\d+) .* completed +as expected$", table, flags=re.MULTILINE)
    assert len(rows) == len(set(rows)) == 12
    assert len(re.findall(r"^ +went wrong ", table, flags=re.MULTILINE)) == 5
    assert len(re.findall(r"^ +interlock ", table, flags=re.MULTILINE)) >= 5


def test_a_worker_that_raised_got_another_attempt(kept: Path) -> None:
    """The journal holds the exception's name, a retry, and the reason in the next brief."""
    journal = load_journal(kept, RAISED)
    refused = find_refused(journal)
    assert refused.verdict is not None
    assert refused.verdict.error == "ConnectionError"
    assert "ConnectionError" in load_second_brief(journal, refused.step_id)["feedback"][0]


def test_garbage_was_refused_by_a_criterion(kept: Path) -> None:
    """The journal holds the answer about another order, and the finding that refused it."""
    journal = load_journal(kept, GARBAGE)
    refused = find_refused(journal)
    assert refused.verdict is not None
    assert refused.verdict.error is None
    failed = [finding for finding in refused.verdict.findings if not finding.passed]
    assert len(failed) == 1
    assert refused.payload["record"]["order_id"] == "#W0000000"
    brief = load_second_brief(journal, refused.step_id)
    assert brief["inputs"]["arguments"]["order_id"] != "#W0000000"
    assert failed[0].message in brief["feedback"][0]


def test_a_worker_that_hung_was_cut_off(kept: Path) -> None:
    """The journal holds a StepTimeoutError after the step's three seconds, and a retry."""
    refused = find_refused(load_journal(kept, HUNG))
    assert refused.verdict is not None
    assert refused.verdict.error == "StepTimeoutError"
    assert refused.started_at is not None
    assert (refused.ended_at - refused.started_at).total_seconds() >= 3


def test_the_killed_process_had_settled_steps_that_never_ran_again(kept: Path) -> None:
    """I6: two processes ran the ticket; only the step under way at the kill ran in both."""
    starts = load_starts(kept, KILLED)
    killed, resumed = dict.fromkeys(start["pid"] for start in starts)
    assert not psutil.pid_exists(killed)
    before = [start["step_id"] for start in starts if start["pid"] == killed]
    after = [start["step_id"] for start in starts if start["pid"] == resumed]
    assert len(before) >= 5
    assert set(before) & set(after) == {"a09_cancel_pending_order"}
    journal = load_journal(kept, KILLED)
    handed = Counter((h.kind, h.step_id) for h in journal if h.kind in {"brief", "output"})
    steps = set(before) | set(after)
    assert handed == Counter((kind, step) for kind in ("brief", "output") for step in steps)


def test_the_refund_waited_for_the_answer(kept: Path) -> None:
    """The journal holds the question with the sum, then the answer, and only then the brief."""
    journal = load_journal(kept, REFUND)
    about = [h for h in journal if h.step_id == "a08_cancel_pending_order"]
    assert [h.kind for h in about if h.kind != "settlement"] == [
        "question",
        "answer",
        "brief",
        "output",
    ]
    question, answer = (
        next(h.payload for h in about if h.kind == kind) for kind in ("question", "answer")
    )
    assert question["args"]["refund"] == 4777.75
    assert answer["question_id"] == question["id"]
    assert answer["answer"]["type"] == "approve"
    asked = [h for h in journal if h.kind == "question"]
    assert len(asked) == 1  # the other refunds are below the limit


def test_the_commands_it_names_work(people: Ended, kept: Path, tmp_path: Path) -> None:
    """Each command line of the last page, typed as it stands, shows something and returns 0."""
    lines = re.findall(r"^  (interlock .*)$", people.out, flags=re.MULTILINE)
    assert len(lines) == 6
    for line in lines:
        _, *arguments = shlex.split(line)
        shown = call(*arguments, temp=tmp_path)
        assert shown.code == 0, (line, shown)
        assert "retail-test-" in shown.out or " brief " in shown.out
    (cat,) = re.findall(r"^  cat (.*)$", people.out, flags=re.MULTILINE)
    assert Path(*shlex.split(cat)) == kept / "starts.jsonl"


def test_a_folder_that_holds_a_demonstration_is_left_alone(kept: Path, tmp_path: Path) -> None:
    """A second demonstration in the same folder is a usage error and changes nothing."""
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*") if path.is_file()}
    refused = call("demo", "--folder", str(kept), temp=tmp_path)
    assert refused.code == 2
    assert "holds a demonstration already" in refused.err
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*") if path.is_file()} == before


@contextmanager
def started_until_doomed(temp: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """Start the demonstration and wait until the process that it will kill exists."""
    with start("demo", temp=temp) as process:
        try:
            give_up_at = time.monotonic() + _LONGEST_SECONDS
            while not (children := psutil.Process(process.pid).children(recursive=True)):
                assert process.poll() is None
                assert time.monotonic() < give_up_at
            yield process, children[0]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_trace(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C or SIGTERM ends it and its process, removes the folder, and shows no traceback."""
    with started_until_doomed(tmp_path / "temp") as (process, doomed):
        process.send_signal(number)
        _, err = process.communicate(timeout=_LONGEST_SECONDS)
    assert process.returncode == 128 + number
    assert err == f"Stopped by {number.name}. Its folder is gone.\n"
    assert list((tmp_path / "temp").iterdir()) == []
    assert not doomed.is_running()


def test_its_process_does_not_outlive_it(tmp_path: Path) -> None:
    """If the demonstration itself is killed, the process it started ends by itself."""
    with started_until_doomed(tmp_path / "temp") as (process, doomed):
        process.kill()
        process.communicate(timeout=_LONGEST_SECONDS)
        assert psutil.wait_procs([doomed], timeout=_LONGEST_SECONDS)[1] == []
