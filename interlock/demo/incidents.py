"""What went wrong on a ticket and what was done about it, read from the thread's journal.

Nothing here knows what was meant to go wrong. Called by the demonstration after each ticket.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from interlock.console.clean_text import count_of, shorten, show_duration, show_value
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import StepId
from interlock.contracts.plain import Plain
from interlock.demo.cases import Trouble
from interlock.demo.house_rules import REFUND_INPUT, REFUND_LIMIT
from interlock.demo.start_log import Start

_REASON_LIMIT: Final = 160
_ACTIONS: Final = {
    "retry": "tried again",
    "fallback": "took the fallback",
    "park": "asked a person",
    "fail": "gave up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One thing that went wrong.

    Attributes:
        trouble: Of which kind.
        step_id: At which step.
        went_wrong: What happened, in words.
        done: What was done about it, in words.
        is_handled: Whether that worked.
    """

    trouble: Trouble
    step_id: StepId
    went_wrong: str
    done: str
    is_handled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessKill:
    """A process that was killed while it ran a ticket.

    Attributes:
        pid: The process.
        exit_code: As the system reports it: minus the signal's number.
        step_id: The step whose worker was at work.
        settled: Steps that had settled by then.
        total: Steps of the plan.
    """

    pid: int
    exit_code: int
    step_id: StepId
    settled: frozenset[StepId]
    total: int


def list_incidents(handoffs: Sequence[Handoff]) -> list[Incident]:
    """Return what a journal says went wrong, oldest first.

    Args:
        handoffs: Of one thread, with payloads, oldest first.
    """
    return [*_list_refusals(handoffs), *_list_questions(handoffs)]


def describe_kill(kill: ProcessKill, starts: Sequence[Start], *, resumed_by: int) -> Incident:
    """Return the incident of a killed process.

    Args:
        kill: The kill.
        starts: Every start of a worker on the thread, in any process.
        resumed_by: The process that resumed the thread.
    """
    again = [s for s in starts if s.pid != kill.pid and s.step_id in kill.settled]
    rest = {s.step_id for s in starts if s.pid != kill.pid} - kill.settled
    count = count_of(len(kill.settled), "settled step")
    return Incident(
        trouble="killed",
        step_id=kill.step_id,
        went_wrong=(
            f"process {kill.pid}, which ran this ticket, was killed (signal {-kill.exit_code}) at "
            f"work on step {kill.step_id}, with {len(kill.settled)} of {kill.total} steps settled"
        ),
        done=(
            f"process {resumed_by} resumed the run: {len(again) or 'none'} of the {count} ran again, "
            f"the one under way began again, and {len(rest) - 1} followed"
        ),
        is_handled=not again
        and kill.step_id in rest
        and len(kill.settled) + len(rest) == kill.total,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One attempt that the supervisor did not accept.

    Attributes:
        trouble: Of which kind.
        words: What happened.
        reaction: What the supervisor did.
    """

    trouble: Trouble
    words: str
    reaction: str


def read_refusal(handoff: Handoff) -> Refusal | None:
    """Return the refusal that a handoff records; None if it records none."""
    verdict = handoff.verdict
    if handoff.kind != "output" or verdict is None or verdict.action == "accept":
        return None
    then = _ACTIONS.get(verdict.action, verdict.action)
    worker = f"worker {handoff.sender!r}"
    if verdict.error == "StepTimeoutError":
        return Refusal(
            trouble="hung",
            words=f"{worker} hung: no answer after {_word_time(handoff)}",
            reaction=f"cut the attempt off at the step's timeout and {then}",
        )
    if verdict.error is not None:
        reason = shorten(verdict.reason or verdict.error, _REASON_LIMIT)
        return Refusal(
            trouble="raised",
            words=f"{worker} raised {reason}",
            reaction=f"told the worker and {then}",
        )
    return Refusal(
        trouble="garbage",
        words=f"{worker} answered {_quote(handoff.payload)}",
        reaction=(
            f"refused the answer, as this does not hold: {_word_findings(verdict)}; told the "
            f"worker and {then}"
        ),
    )


def _quote(payload: Plain) -> str:
    """Return a worker's answer; the journal's live events come without it."""
    if payload is None:
        return "something that was not asked for"
    answer = payload.get("answer", payload) if isinstance(payload, Mapping) else payload
    return show_value(answer, _REASON_LIMIT)


def _word_time(handoff: Handoff) -> str:
    if handoff.started_at is None:
        return "some time"
    return show_duration((handoff.ended_at - handoff.started_at).total_seconds())


def _word_findings(verdict: Verdict) -> str:
    failed = [finding for finding in verdict.findings if not finding.passed]
    words = ", ".join(f'"{finding.message or finding.criterion}"' for finding in failed)
    return shorten(words, _REASON_LIMIT)


def _list_refusals(handoffs: Sequence[Handoff]) -> Iterator[Incident]:
    outputs = [handoff for handoff in handoffs if handoff.kind == "output"]
    for place, output in enumerate(outputs):
        refusal = read_refusal(output)
        if refusal is None:
            continue
        later = [h for h in outputs[place + 1 :] if h.step_id == output.step_id]
        yield Incident(
            trouble=refusal.trouble,
            step_id=StepId(output.step_id or ""),
            went_wrong=f"{refusal.words} (step {output.step_id})",
            done=f"{refusal.reaction}; {_word_end(later)}",
            is_handled=bool(later) and read_refusal(later[-1]) is None,
        )


def _word_end(later: Sequence[Handoff]) -> str:
    if not later:
        return "nothing followed"
    is_accepted = read_refusal(later[0]) is None
    return f"attempt {later[0].attempt} was {'accepted' if is_accepted else 'refused too'}"


def _list_questions(handoffs: Sequence[Handoff]) -> Iterator[Incident]:
    answers = {
        h.payload["question_id"]: h.payload["answer"] for h in handoffs if h.kind == "answer"
    }
    for handoff in handoffs:
        if handoff.kind != "question":
            continue
        answer = answers.get(handoff.payload["id"])
        dollars = (handoff.payload["args"] or {}).get(REFUND_INPUT, 0)
        decision = "nobody has answered yet"
        if answer is not None:
            decision = f"the answer was {answer['type']!r}, and the run went on"
        yield Incident(
            trouble="refund",
            step_id=StepId(handoff.step_id or ""),
            went_wrong=(
                f"a refund of ${dollars:,.2f} is over the limit of ${REFUND_LIMIT:,.0f} "
                f"(step {handoff.step_id})"
            ),
            done=f"put the step aside before its worker started and asked a person; {decision}",
            is_handled=answer is not None,
        )
