"""Ctrl-C, SIGTERM, closed pipes and other processes: a run stops cleanly and can be resumed."""

import signal

import pytest

from tests.integration.cli.gate import Gate
from tests.integration.cli.shell import Shell, finish, read_until

HOLD = ("run", "app:desk", "hold", "--thread", "t17")
TEAM = ("--team", "app:desk")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_drains_and_the_line_it_names_resumes(
    shell: Shell, gate: Gate, number: signal.Signals, code: int
) -> None:
    """The running attempt ends, nothing new starts, and the run goes on with no step run again."""
    process = shell.start(*HOLD, GATE_PORT=gate.port)
    assert gate.wait() == "held"
    process.send_signal(number)
    out = read_until(process, f"{number.name}: running attempts may finish")
    gate.open()
    done = finish(process, out=out)
    assert done.code == code
    assert f"Stopped by {number.name}. What was done is kept." in done.err
    assert shell.starts == ["before", "held"]
    status = shell.call("status", "t17", *TEAM)
    assert "thread t17: stopped" in status.out
    (line,) = done.find_lines("resume")
    assert status.find_lines("resume") == [line]
    resumed = shell.paste(line)
    assert resumed.code == 0
    assert "completed  thread t17  3 steps settled" in resumed.out
    assert shell.starts == ["before", "held", "after"]


def test_a_drain_is_a_json_document_too(shell: Shell, gate: Gate) -> None:
    """With --json the last line says that the run stopped, and which line resumes it."""
    process = shell.start(*HOLD, "--json", GATE_PORT=gate.port)
    gate.wait()
    process.send_signal(signal.SIGTERM)
    read_until(process, "SIGTERM", error=True)
    gate.open()
    done = finish(process)
    error = done.events[-1]["error"]
    assert (done.code, error["type"]) == (143, "DrainedError")
    assert shell.type(error["next"]).code == 0


def test_a_second_signal_cuts_off(shell: Shell, gate: Gate) -> None:
    """A second Ctrl-C does not wait for the attempt, which alone is run again on resume."""
    process = shell.start(*HOLD, GATE_PORT=gate.port)
    gate.wait()
    process.send_signal(signal.SIGINT)
    out = read_until(process, "SIGINT: running attempts may finish")
    process.send_signal(signal.SIGINT)
    done = finish(process, out=out)  # the gate was never opened
    assert done.code == 130
    (line,) = done.find_lines("resume")
    refused = shell.call(*HOLD)
    assert (refused.code, refused.find_lines("resume")) == (2, [line])
    assert shell.type(line).code == 0
    assert shell.starts == ["before", "held", "held", "after"]


def test_others_see_a_run_and_stop_it(shell: Shell, gate: Gate) -> None:
    """Status shows a run while another process has it; a second driver is refused; cancel stops it."""
    process = shell.start(*HOLD, GATE_PORT=gate.port)
    gate.wait()
    live = shell.call("status", "t17", *TEAM)
    assert f"thread t17: running, run by process {process.pid}" in live.out
    assert "1 of 3 done" in live.out
    assert "held  holder, attempt 1" in live.out
    busy = shell.call("resume", "app:desk", "t17")
    assert (busy.code, busy.out) == (2, "")
    assert f"is being run by process {process.pid}" in busy.err
    (line,) = busy.find_lines("status")
    assert "running" in shell.type(line).out
    asked = shell.call("cancel", "t17", "--why", "the customer called", *TEAM)
    assert asked.code == 0
    done = finish(process)  # the gate was never opened
    assert done.code == 5
    assert "cancelled  thread t17" in done.out
    assert "the customer called" in done.out
    assert shell.starts == ["before", "held"]
    assert "thread t17: cancelled" in shell.call("status", "t17", *TEAM).out


def test_a_run_that_nobody_runs_is_cancelled_with_its_team(shell: Shell) -> None:
    """Without --team, cancel leaves a note that resume obeys; with it, the run ends at once."""
    shell.call("run", "app:desk", "ask", "--thread", "a")
    shell.call("run", "app:desk", "ask", "--thread", "b")
    noted = shell.call("cancel", "a", "--why", "sold out", "--storage", "sqlite:///desk.db")
    assert noted.code == 0
    assert "because sold out" in noted.out
    assert "Nobody is running it. Resume it:" in noted.out
    (line,) = noted.find_lines("resume TEAM a")
    resumed = shell.type(line.replace("TEAM", "app:desk"))
    assert (resumed.code, "cancelled  thread a" in resumed.out) == (5, True)
    ended = shell.call("cancel", "b", "--why", "sold out", *TEAM, "--json")
    assert (ended.code, ended.data["status"]) == (0, "cancelled")


def test_a_run_that_has_ended_cannot_be_cancelled(shell: Shell) -> None:
    """Cancel says that there was nothing to stop, and the run stays as it ended."""
    shell.call("run", "app:desk", "degrade", "--thread", "t")
    for team in (TEAM, ("--storage", "sqlite:///desk.db")):
        late = shell.call("cancel", "t", "--why", "sold out", *team)
        assert late.err == "The run had ended before, so there was nothing to stop.\n"
        assert late.out.startswith("thread t: degraded\n")


def test_a_closed_pipe_ends_quietly(shell: Shell, gate: Gate) -> None:
    """If nobody reads on, the command leaves without a word, and the run can be resumed."""
    process = shell.start(*HOLD, GATE_PORT=gate.port)
    read_until(process, "started")
    gate.wait()
    assert process.stdout is not None
    process.stdout.close()
    gate.open()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait(60)) == ("", 141)
    process.stderr.close()
    resumed = shell.call("resume", "app:desk", "t17", "--json")
    assert (resumed.code, resumed.events[-1]["status"]) == (0, "completed")
    assert shell.starts.count("before") == 1


def test_a_pipe_that_is_closed_from_the_start_ends_quietly(shell: Shell) -> None:
    """A command whose output nobody reads leaves without a traceback or a complaint."""
    shell.call("run", "app:desk", "complete", "--thread", "t17")
    (shell.folder / "closed.py").write_text(CLOSED, encoding="utf-8")
    for command in ("--help", "handoffs t17 --team app:desk"):
        done = shell.paste(f"python closed.py interlock {command}").data
        assert done["err"] == ""
        assert done["code"] in {1, 141}  # 1 is the help's


CLOSED = """
import json, os, subprocess, sys
reader, writer = os.pipe()
os.close(reader)
done = subprocess.run(sys.argv[1:], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
print(json.dumps({"code": done.returncode, "err": done.stderr}))
"""
"""Runs a command whose stdout nobody reads."""
