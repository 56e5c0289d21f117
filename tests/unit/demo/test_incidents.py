"""What the demonstration reads from a journal: it says honestly what was not handled."""

from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.contracts.criteria import Finding
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import StepId
from interlock.demo.incidents import ProcessKill, describe_kill, list_incidents
from interlock.demo.start_log import Start

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
ACCEPTED = Verdict(action="accept")
RAISED = Verdict(action="retry", error="OSError", reason="OSError: gone")


def build_handoff(kind: Any, *, attempt: int = 0, **fields: Any) -> Handoff:
    """Return a handoff of step `s`."""
    base: dict[str, Any] = {
        "id": f"{kind}-{attempt}",
        "thread_id": "t",
        "superstep": "1",
        "kind": kind,
        "sender": "records",
        "receiver": "supervisor",
        "step_id": "s",
        "attempt": attempt,
        "payload_hash": "0",
        "started_at": BEGUN,
        "ended_at": BEGUN + timedelta(seconds=3),
    }
    return Handoff(**{**base, **fields})


def build_output(attempt: int, verdict: Verdict, payload: Any = None) -> Handoff:
    """Return an attempt's output with the verdict on it."""
    return build_handoff("output", attempt=attempt, verdict=verdict, payload=payload)


def start_step(step_id: str, pid: int) -> Start:
    """Return a start of a worker."""
    return Start(ticket_id="t", step_id=step_id, attempt=1, pid=pid)


def test_a_journal_without_trouble_has_no_incidents() -> None:
    """Briefs and accepted outputs are no incident."""
    assert list_incidents([build_handoff("brief", attempt=1), build_output(1, ACCEPTED)]) == []


def test_a_refusal_is_handled_once_a_later_attempt_is_accepted() -> None:
    """An attempt that raised counts as handled if the step's last attempt was accepted."""
    (incident,) = list_incidents([build_output(1, RAISED), build_output(2, ACCEPTED)])
    assert (incident.trouble, incident.is_handled) == ("raised", True)
    assert "OSError: gone" in incident.went_wrong
    assert incident.done.endswith("attempt 2 was accepted")


def test_a_refusal_that_nothing_followed_is_not_handled() -> None:
    """Attempts that all raised are told as such."""
    first, second = list_incidents([build_output(1, RAISED), build_output(2, RAISED)])
    assert not first.is_handled
    assert not second.is_handled
    assert first.done.endswith("attempt 2 was refused too")
    assert second.done.endswith("nothing followed")


def test_a_timeout_is_told_from_another_error() -> None:
    """A StepTimeoutError is a worker that hung, with the time that the journal has."""
    late = Verdict(action="retry", error="StepTimeoutError", reason="late")
    incident, *_ = list_incidents([build_output(1, late), build_output(2, ACCEPTED)])
    assert incident.trouble == "hung"
    assert "3.0 s" in incident.went_wrong


def test_garbage_is_shown_with_the_criterion_that_refused_it() -> None:
    """An output that failed a criterion is quoted, with the criterion and no other."""
    verdict = Verdict(
        action="retry",
        findings=(
            Finding(passed=True, message="it is short"),
            Finding(passed=False, message="it is true"),
        ),
    )
    garbage = build_output(1, verdict, payload={"answer": "the moon is cheese"})
    incident, *_ = list_incidents([garbage, build_output(2, ACCEPTED)])
    assert incident.trouble == "garbage"
    assert "the moon is cheese" in incident.went_wrong
    assert '"it is true"' in incident.done
    assert "it is short" not in incident.done


def test_a_question_is_handled_once_it_is_answered() -> None:
    """A question without an answer is not handled; one with an answer quotes the decision."""
    question = build_handoff("question", payload={"id": "q-1", "args": {"refund": 5000.5}})
    answer = build_handoff(
        "answer", payload={"question_id": "q-1", "answer": {"type": "reject", "message": "no"}}
    )
    (waiting,) = list_incidents([question])
    assert not waiting.is_handled
    (answered,) = list_incidents([question, answer])
    assert answered.is_handled
    assert "$5,000.50" in answered.went_wrong
    assert "'reject'" in answered.done


def test_a_settled_step_that_ran_again_is_not_handled() -> None:
    """After a kill, each settled step that started in the other process is counted."""
    kill = ProcessKill(
        pid=1, exit_code=-9, step_id=StepId("b"), settled=frozenset({StepId("a")}), total=3
    )
    clean = [start_step("a", 1), start_step("b", 1), start_step("b", 2), start_step("c", 2)]
    good = describe_kill(kill, clean, resumed_by=2)
    assert good.is_handled
    assert "none of the 1 settled step ran again" in good.done
    bad = describe_kill(kill, [*clean, start_step("a", 2)], resumed_by=2)
    assert not bad.is_handled
    assert "1 of the 1 settled step ran again" in bad.done


def test_a_kill_after_which_steps_are_missing_is_not_handled() -> None:
    """After a kill, every step that had not settled must have started."""
    kill = ProcessKill(pid=1, exit_code=-9, step_id=StepId("b"), settled=frozenset(), total=3)
    starts = [start_step("b", 1), start_step("b", 2)]
    assert not describe_kill(kill, starts, resumed_by=2).is_handled
