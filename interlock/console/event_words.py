"""Events in words: one line for each that a person wants to read."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never

from interlock.console.clean_text import clean_text, count_of, shorten
from interlock.contracts.effects import ENDED, EffectState
from interlock.contracts.limits import BreakerState
from interlock.contracts.outcome import StepStatus
from interlock.telemetry.events import (
    AttemptRefused,
    AttemptStarted,
    BreakerChanged,
    EffectRecorded,
    Event,
    HandoffRecorded,
    PlanAccepted,
    PlanRefused,
    QuestionAsked,
    RunStarted,
    RunStopped,
    StepSettled,
)

Mood: TypeAlias = Literal["good", "bad", "odd", "quiet"]
_REASON_LIMIT: Final = 500
_ACTIONS: Final = {
    "retry": "trying again",
    "fallback": "taking the fallback",
    "park": "asking a person",
    "degrade": "settling for less",
    "fail": "giving up",
}
_EFFECT_ENDINGS: Final[dict[EffectState, tuple[str, Mood]]] = {
    "intended": ("changed nothing, so that it may be run again", "odd"),
    "started": ("is being run by another call, which is waited for", "quiet"),
    "done": ("is done", "good"),
    "failed": ("failed for good", "bad"),
    "unknown": ("is unknown: nobody knows whether it happened, and it is not run again", "odd"),
}
_BREAKER_STATES: Final[dict[BreakerState, tuple[str, Mood]]] = {
    "closed": ("is called again", "good"),
    "half_open": ("is tried", "odd"),
    "open": ("is left alone", "bad"),
}
STATUS_MOODS: Final[dict[str, Mood]] = {
    "accepted": "good",
    "completed": "good",
    "degraded": "odd",
    "skipped": "odd",
    "waiting": "odd",
    "blocked": "bad",
    "failed": "bad",
    "cancelled": "bad",
    "running": "quiet",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log.

    Attributes:
        mark: What kind of news it is, in one word.
        subject: The step it is about; empty for the run.
        words: The news, clean.
        mood: How it is coloured, where there are colours.
    """

    mark: str
    subject: str
    words: str
    mood: Mood


def word_event(event: Event) -> Line | None:
    """Return an event as a line, or None where another event already says it."""
    match event:
        case RunStarted() | PlanAccepted() | PlanRefused() | RunStopped():
            return _word_run(event)
        case AttemptStarted():
            words = f"attempt {event.attempt} by {_clean(event.worker)}"
            return Line("running", _clean(event.step_id), words, "quiet")
        case AttemptRefused():
            action = _ACTIONS.get(event.action, event.action)
            words = f"attempt {event.attempt} by {_clean(event.worker)}: {_clean(event.reason)}"
            return Line("refused", _clean(event.step_id), f"{words} -> {action}", "bad")
        case StepSettled():
            return _word_settled(event.step_id, event.status, event.attempts, event.reason)
        case QuestionAsked():
            question = event.question
            subject = _clean(question.step_id or "plan")
            return Line("asked", subject, f"{question.id}: {_clean(question.description)}", "odd")
        case EffectRecorded():
            return _word_effect(event)
        case BreakerChanged():
            return _word_breaker(event)
        case HandoffRecorded():
            return None
        case _:
            assert_never(event)


def _word_run(event: RunStarted | PlanAccepted | PlanRefused | RunStopped) -> Line:
    match event:
        case RunStarted():
            mark = "resumed" if event.is_resumed else "started"
            words = f"thread {_clean(event.thread_id)}: {_clean(event.goal)}"
            return Line(mark, "", words, "quiet")
        case PlanAccepted():
            return Line("planned", "", count_of(event.total, "step"), "quiet")
        case PlanRefused():
            problems = "; ".join(clean_text(problem).rstrip(".") for problem in event.problems)
            words = f"plan of attempt {event.attempt}: {_clean(problems)}"
            return Line("refused", _clean(event.step_id or ""), words, "bad")
        case RunStopped():
            status = event.result.status
            return Line(status, "", f"thread {_clean(event.thread_id)}", STATUS_MOODS[status])


def _word_settled(
    step_id: str, status: StepStatus, attempts: int, reason: str | None
) -> Line | None:
    if status == "waiting":
        return None  # the question says it
    words = f"after {count_of(attempts, 'attempt')}" if attempts else "never started"
    if reason:
        words = f"{words}: {_clean(reason)}"
    return Line(status, _clean(step_id), words, STATUS_MOODS[status])


def _word_effect(event: EffectRecorded) -> Line | None:
    if event.state == "started" and not event.is_duplicate:
        return None  # how it ended says it
    words, mood = _EFFECT_ENDINGS[event.state]
    if event.is_duplicate and event.state in ENDED:
        before = "it had happened" if event.state == "done" else "it had failed"
        words, mood = f"is answered from the ledger, not run again: {before}", "quiet"
    subject = f"attempt {event.attempt}: {_clean(event.tool)}"
    return Line("effect", _clean(event.step_id), f"{subject} {words} ({_clean(event.key)})", mood)


def _word_breaker(event: BreakerChanged) -> Line:
    words, mood = _BREAKER_STATES[event.state]
    until = "" if event.until is None else f" until {event.until:%H:%M:%S} UTC"
    line = f"{_clean(event.name)} {words}{until}: {_clean(event.reason)}"
    return Line("breaker", "", line, mood)


def _clean(text: str) -> str:
    return shorten(text, _REASON_LIMIT)
