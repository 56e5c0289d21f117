"""The logic of requests with keys, without a network: no mixture of answers doubles an effect."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.contracts.effect_errors import NotAppliedError, OutcomeOpenError, RequestRefusedError
from interlock.tools.keyed_request import (
    Answered,
    KeyedRequest,
    NoAnswer,
    NotSent,
    Reply,
    SendRequest,
    Wait,
)

IN_FRONT = (301, 307, 400, 401, 403, 404, 429)
"""What a limiter, a sign-in or a gateway answers before the service has seen the request."""

VAGUE = (302, 303, 408, 500, 502, 503, 504)
"""What may be answered before the effect, and after it."""


def build(*, keeps: bool = False, max_wait: float = 300, max_sends: int = 5) -> KeyedRequest:
    """Return a request."""
    return KeyedRequest(
        words="POST to http://x",
        key="e-1",
        server_keeps_keys=keeps,
        max_wait=timedelta(seconds=max_wait),
        max_sends=max_sends,
    )


@dataclass(slots=True)
class World:
    """A service whose answers Hypothesis draws, from what is possible there and then.

    Attributes:
        data: Draws.
        keeps: Whether it keeps keys: carries one out once, and then has an answer recorded for it.
        effects: How often it did what was asked.
        recorded: What it has recorded for the key; None if nothing.
        is_running: Whether an earlier send may still be carried out.
    """

    data: st.DataObject
    keeps: bool
    effects: int = 0
    recorded: Answered | None = None
    is_running: bool = False
    sent: int = field(default=0)

    def take(self) -> Reply:
        """Answer one send."""
        self.sent += 1
        kind = self.data.draw(st.sampled_from(["unsent", "front", "vague", "lost", "service"]))
        if kind == "unsent":
            return NotSent(reason="ConnectError")
        if kind == "front":
            return Answered(status=self.data.draw(st.sampled_from(IN_FRONT)))
        if kind == "service":
            return self._serve()
        if self.data.draw(st.booleans()):
            self._serve()
        if kind == "lost":
            return NoAnswer(reason="ReadTimeout")
        return Answered(status=self.data.draw(st.sampled_from(VAGUE)))

    def _serve(self) -> Answered:
        if self.keeps and self.is_running:
            self.is_running = False
            self._decide()
            return Answered(status=409)
        if self.keeps and self.recorded is not None:
            is_marked = self.recorded.status not in {402, 422} or self.data.draw(st.booleans())
            return Answered(status=self.recorded.status, is_replay=is_marked)
        if self.keeps and self.data.draw(st.booleans()):
            self.is_running = True
            return Answered(status=409)
        return self._decide()

    def _decide(self) -> Answered:
        status = self.data.draw(st.sampled_from([200, 201, 402, 404, 410, 422]))
        self.effects += status < 300
        self.recorded = Answered(status=status)
        return self.recorded


def drive(request: KeyedRequest, world: World) -> tuple[Answered | Exception, float]:
    """Return what came of a request, and how long was waited."""
    steps, reply, waited = request.steps(), None, 0.0
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            return stop.value, waited
        except (NotAppliedError, RequestRefusedError, OutcomeOpenError) as exc:
            return exc, waited
        reply = None
        if isinstance(step, Wait):
            waited += step.seconds
        else:
            reply = world.take()


@given(st.data(), st.booleans(), st.integers(1, 8), st.floats(0, 60))
def test_no_answers_make_two_effects_or_a_false_word(
    data: st.DataObject, keeps: bool, max_sends: int, max_wait: float
) -> None:
    """I5: at most one effect; a definite end is true; sends and waits stay within their bounds."""
    world = World(data, keeps)
    request = build(keeps=keeps, max_sends=max_sends, max_wait=max_wait)
    ended, waited = drive(request, world)
    if world.is_running:
        assert isinstance(ended, (Answered, OutcomeOpenError))
    assert world.effects <= 1
    if isinstance(ended, Answered):
        assert ended.status < 300
        assert world.effects == 1
    elif isinstance(ended, (NotAppliedError, RequestRefusedError)):
        assert world.effects == 0
    assert world.sent <= max_sends
    assert waited <= max_wait


def end(*replies: Reply, **options: Any) -> tuple[Any, int]:
    """Return what comes of these replies, the last one for ever, and how many were asked for."""
    steps, reply, sends = build(**options).steps(), None, 0
    try:
        while True:
            step = steps.send(reply)
            reply = None
            if isinstance(step, SendRequest):
                reply = replies[min(sends, len(replies) - 1)]
                sends += 1
    except StopIteration as stop:
        return stop.value, sends
    except Exception as exc:
        return exc, sends


LOST = NoAnswer(reason="ReadTimeout")
UNSENT = NotSent(reason="ConnectError")
DONE = Answered(status=200)


@pytest.mark.parametrize(
    ("replies", "keeps", "ended", "sends"),
    [
        ([DONE], False, Answered, 1),
        ([UNSENT, UNSENT, DONE], False, Answered, 3),
        ([UNSENT], False, NotAppliedError, 5),
        ([NotSent(reason="no server", may_pass=False)], False, NotAppliedError, 1),
        ([Answered(status=429), DONE], False, Answered, 2),
        ([Answered(status=429)], False, NotAppliedError, 5),
        ([Answered(status=429, should_retry=False)], False, NotAppliedError, 1),
        ([LOST, DONE], False, OutcomeOpenError, 1),
        ([LOST, DONE], True, Answered, 2),
        ([LOST, UNSENT], True, OutcomeOpenError, 5),
        ([UNSENT, LOST], False, OutcomeOpenError, 2),
        ([LOST, Answered(status=429)], True, OutcomeOpenError, 5),
        ([LOST, Answered(status=401)], True, OutcomeOpenError, 2),
        ([LOST, Answered(status=402)], True, RequestRefusedError, 2),
        ([LOST, Answered(status=422)], True, RequestRefusedError, 2),
        ([LOST, Answered(status=404, is_replay=True)], True, RequestRefusedError, 2),
        ([Answered(status=409), DONE], True, Answered, 2),
        ([Answered(status=409)], True, OutcomeOpenError, 5),
        ([Answered(status=409)], False, RequestRefusedError, 1),
        ([Answered(status=409, is_replay=True)], True, RequestRefusedError, 1),
        ([Answered(status=503), DONE], True, Answered, 2),
        ([Answered(status=503, retry_after_seconds=1)], False, OutcomeOpenError, 1),
        ([Answered(status=500, is_replay=True)], True, OutcomeOpenError, 1),
        ([Answered(status=500, should_retry=False)], True, OutcomeOpenError, 1),
        ([Answered(status=400, should_retry=True), DONE], True, Answered, 2),
        ([Answered(status=400, should_retry=True), DONE], False, RequestRefusedError, 1),
        ([Answered(status=101)], True, OutcomeOpenError, 1),
        ([Answered(status=302)], True, OutcomeOpenError, 1),
        ([Answered(status=308)], False, RequestRefusedError, 1),
    ],
    ids=str,
)
def test_each_answer_means_one_thing(
    replies: list[Reply], keeps: bool, ended: type, sends: int
) -> None:
    """The table of the documentation, row by row."""
    found, sent = end(*replies, keeps=keeps)
    assert (type(found), sent) == (ended, sends)


def test_the_waits_grow_and_differ_between_keys() -> None:
    """Each pause is in the upper half of a doubled one; calls that failed together part ways."""

    def list_waits(key: str) -> list[float]:
        request = KeyedRequest(
            words="",
            key=key,
            server_keeps_keys=False,
            max_wait=timedelta(hours=1),
            max_sends=8,
        )
        steps, waits = request.steps(), []
        next(steps)
        for _ in range(7):
            wait = steps.send(UNSENT)
            assert isinstance(wait, Wait)
            waits.append(wait.seconds)
            next(steps)
        return waits

    longest = [0.5, 1, 2, 4, 8, 8, 8]
    for waits in (list_waits("e-1"), list_waits("e-2")):
        assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True))
    assert list_waits("e-1") == list_waits("e-1")
    assert list_waits("e-1") != list_waits("e-2")


def test_a_sum_of_waits_that_fits_exactly_is_waited() -> None:
    """`max_wait` bounds all waits together, to the second."""
    found, sent = end(Answered(status=429, retry_after_seconds=10), max_wait=30, max_sends=9)
    assert (type(found), sent) == (NotAppliedError, 4)
