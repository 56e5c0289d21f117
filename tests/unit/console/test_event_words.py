"""Events as lines of a log, and added up to where a run stands."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any, get_args

import pytest
from rich.console import Console

import interlock as il
from interlock.console.event_words import STATUS_MOODS, Line, word_event
from interlock.console.live_view import draw_progress
from interlock.console.progress import Progress
from interlock.contracts.effects import EffectState
from interlock.contracts.ids import StepId
from interlock.contracts.outcome import RunStatus, StepStatus
from tests.unit.console import sample_events as sample


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (sample.STARTED, Line("started", "", "thread t17: Answer ticket", "quiet")),
        (
            replace(sample.STARTED, is_resumed=True),
            Line("resumed", "", "thread t17: Answer ticket", "quiet"),
        ),
        (sample.PLANNED, Line("planned", "", "3 steps", "quiet")),
        (sample.PLAN_REFUSED, Line("refused", "", "plan of attempt 1: no steps; b", "bad")),
        (sample.ATTEMPT, Line("running", "reply", "attempt 1 by clerk", "quiet")),
        (
            sample.REFUSED,
            Line("refused", "reply", "attempt 1 by clerk: too long -> trying again", "bad"),
        ),
        (sample.SETTLED, Line("accepted", "reply", "after 2 attempts", "good")),
        (
            replace(sample.SETTLED, status="blocked", attempts=0, reason="needs 'a'"),
            Line("blocked", "reply", "never started: needs 'a'", "bad"),
        ),
        (replace(sample.SETTLED, status="waiting"), None),  # the question says it
        (sample.ASKED, Line("asked", "reply", "q-1: Let it pass?", "odd")),
        (sample.RECORDED, None),
        (sample.EFFECT, Line("effect", "reply", "attempt 1: pay back is done (e-1)", "good")),
        (replace(sample.EFFECT, state="started"), None),  # how it ends says it
        (
            replace(sample.EFFECT, state="started", is_duplicate=True),
            Line(
                "effect",
                "reply",
                "attempt 1: pay back is being run by another call, which is waited for (e-1)",
                "quiet",
            ),
        ),
        (
            replace(sample.EFFECT, state="failed", is_duplicate=True),
            Line(
                "effect",
                "reply",
                "attempt 1: pay back is answered from the ledger, not run again: it had failed "
                "(e-1)",
                "quiet",
            ),
        ),
        (
            replace(sample.EFFECT, state="unknown"),
            Line(
                "effect",
                "reply",
                "attempt 1: pay back is unknown: nobody knows whether it happened, and it is not "
                "run again (e-1)",
                "odd",
            ),
        ),
        (
            replace(sample.EFFECT, state="intended"),
            Line(
                "effect",
                "reply",
                "attempt 1: pay back changed nothing, so that it may be run again (e-1)",
                "odd",
            ),
        ),
        (sample.STOPPED, Line("waiting", "", "thread t17", "odd")),
    ],
)
def test_an_event_is_one_line_or_none(event: Any, line: Line | None) -> None:
    """What a person wants to read, clean; nothing is said twice."""
    assert word_event(event) == line


def test_every_state_of_an_effect_is_worded() -> None:
    """Whatever becomes of an effect, told as new or as a duplicate, has its words."""
    for state in get_args(EffectState):
        for is_duplicate in (False, True):
            event = replace(sample.EFFECT, state=state, is_duplicate=is_duplicate)
            assert (word_event(event) is None) == (state == "started" and not is_duplicate)


def test_every_status_has_a_mood() -> None:
    """No status is left without a colour."""
    assert set(STATUS_MOODS) == {*get_args(StepStatus), *get_args(RunStatus)}


def test_progress_is_the_sum_of_events() -> None:
    """Total, running, retries, settled and open questions follow from the events alone."""
    progress = Progress()
    for event in (sample.STARTED, sample.PLANNED, sample.ATTEMPT):
        progress.take(event)
    assert (progress.total, progress.done, list(progress.running)) == (3, 0, ["reply"])
    progress.take(sample.REFUSED)
    assert (progress.running, progress.retries) == ({}, 0)
    progress.take(replace(sample.ATTEMPT, attempt=2))
    assert progress.retries == 1
    progress.take(sample.ASKED)
    progress.take(replace(sample.SETTLED, status="waiting"))
    assert (progress.done, list(progress.questions)) == (0, ["q-1"])
    progress.take(sample.SETTLED)
    assert (progress.done, dict(progress.counts), progress.questions) == (1, {"accepted": 1}, {})
    progress.take(replace(sample.SETTLED, step_id=StepId("reply/inner")))
    assert progress.done == 1  # a nested team's steps are not of this plan
    assert progress.started_at == sample.NOON


def test_a_step_that_waits_for_its_next_attempt_is_shown() -> None:
    """Between a refused attempt and the next one a run does not look as if nothing went on."""
    progress = Progress()
    for event in (sample.STARTED, sample.PLANNED, sample.ATTEMPT, sample.REFUSED):
        progress.take(event)
    console = Console(width=100, file=StringIO())
    console.print(draw_progress(progress, now=sample.NOON + timedelta(seconds=3)))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "0/3 steps · 1 pausing · 3.0 s" in shown
    assert "pausing  reply  before attempt 2, for 3.0 s now" in shown
    progress.take(replace(sample.ATTEMPT, attempt=2))
    assert progress.pausing == {}
    progress.take(sample.REFUSED)
    progress.take(sample.SETTLED)
    assert progress.pausing == {}
    progress.take(replace(sample.REFUSED, action="fallback"))
    assert progress.pausing == {}


def test_a_resumed_run_counts_what_was_done_before() -> None:
    """Steps that an earlier process settled stay settled; waiting ones are not done."""
    progress = Progress()
    status = il.ThreadStatus.__new__(il.ThreadStatus)
    for name, value in {
        "total": 4,
        "settled": {"accepted": 2, "waiting": 1},
        "retries": 3,
        "questions": (sample.QUESTION,),
    }.items():
        object.__setattr__(status, name, value)
    progress.start_from(status)
    assert (progress.total, progress.done, progress.retries) == (4, 2, 3)
    progress.take(sample.SETTLED)
    assert (progress.done, progress.counts["accepted"], progress.questions) == (3, 3, {})
