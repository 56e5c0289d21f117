"""What the answers to a request that carries a key mean, and when it may be sent again (I5).

It does no I/O and knows no HTTP library: it yields what is to be done next and is sent what came of
it, so that one logic serves clients that are awaited and clients that block. `http_keys` carries it
out. Follows draft-ietf-httpapi-idempotency-key-header-07 and what Stripe documents.

A request is sent again only if that cannot double its effect: after a send of which it is certain
that nothing came of it, or to a server that keeps keys.
"""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias, assert_never

from interlock.contracts.effect_errors import NotAppliedError, OutcomeOpenError, RequestRefusedError

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 8.0

_TOO_MANY_REQUESTS: Final = 429
_CONFLICT: Final = 409

_TIMED_OUT: Final = 408
"""Some gateways answer so when the service behind them, which has the request, is too slow."""

_MOVED: Final = frozenset({301, 307, 308})
"""The server has done nothing and names another address."""

_GIVEN_FOR_THE_KEY: Final = frozenset({402, 422})
"""Refusals that come from where the key is known. Others may come from something in front of it
(a sign-in, a gateway), which says nothing of what an earlier send did."""


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Send the request, once."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait.

    Attributes:
        seconds: How long.
    """

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The server gave an answer, and the whole of it came.

    Attributes:
        status: The status code.
        retry_after_seconds: How long it asks to wait, if it does.
        is_replay: Whether it says that this is the answer it has recorded for the key.
        should_retry: Whether it asks for another try, or against one; None if it says neither.
        excerpt: How the answer's body begins, if it is no success.
        response: The answer itself.
        cause: What was raised because of it, if anything.
    """

    status: int
    retry_after_seconds: float | None = None
    is_replay: bool = False
    should_retry: bool | None = None
    excerpt: str = ""
    response: Any = None
    cause: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """It is certain that no part of the request has left.

    Attributes:
        reason: Why, in words.
        may_pass: Whether another try may do better.
        cause: What was raised.
    """

    reason: str
    may_pass: bool = True
    cause: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The request may have arrived; no whole answer came.

    Attributes:
        reason: Why, in words.
        cause: What was raised.
    """

    reason: str
    cause: Exception | None = None


Reply: TypeAlias = Answered | NotSent | NoAnswer
Steps: TypeAlias = Generator[SendRequest | Wait, Reply | None, Answered]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a reply means, together with what came before it.

    Attributes:
        outcome: `done`, `refused` for good, `nothing` happened, or it stays `open`.
        may_change: Whether the same request, sent again, may be answered otherwise and can do no
            harm.
    """

    outcome: Literal["done", "refused", "nothing", "open"]
    may_change: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """One request with a key, and how long to try.

    Attributes:
        words: The request as errors name it; without what is secret.
        key: The key.
        server_keeps_keys: Whether the server answers the same key with the same answer.
        max_wait: How long to wait between sends, all waits together.
        max_sends: How often to send at most.
    """

    words: str
    key: str
    server_keeps_keys: bool
    max_wait: timedelta
    max_sends: int

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ValueError: A setting is out of range.
        """
        if self.max_wait < timedelta(0):
            raise ValueError(f"max_wait is {self.max_wait!r}. Give zero or more.")
        if self.max_sends < 1:
            raise ValueError(f"max_sends is {self.max_sends!r}. Give one or more.")

    def steps(self) -> Steps:
        """Go through the request; returns the answer that says it was carried out.

        Raises:
            NotAppliedError: It is certain that nothing happened; it may be tried later.
            RequestRefusedError: The server refuses it for good.
            OutcomeOpenError: Nobody here can tell whether it took effect.
        """
        waited, sends, is_open = 0.0, 0, False
        while True:
            reply = yield SendRequest()
            sends += 1
            assert reply is not None  # noqa: S101 - a send is answered
            reading = self._read(reply, is_open=is_open)
            is_open = is_open or reading.outcome == "open"
            if isinstance(reply, Answered) and reading.outcome == "done":
                return reply
            if isinstance(reply, Answered) and reading.outcome == "refused":
                raise RequestRefusedError(
                    request=self.words, status=reply.status, excerpt=reply.excerpt, sends=sends
                ) from reply.cause
            pause = self._choose_pause(reply, sends)
            is_over = sends >= self.max_sends or waited + pause > self.max_wait.total_seconds()
            if is_over or not reading.may_change:
                raise self._give_up(reply, sends, is_open=is_open) from reply.cause
            yield Wait(pause)
            waited += pause

    def _read(self, reply: Reply, *, is_open: bool) -> _Reading:
        """Say what a reply means; `is_open`: whether an earlier send may have taken effect."""
        match reply:
            case Answered():
                return self._read_answer(reply, is_open=is_open)
            case NotSent():
                return _Reading("nothing", may_change=reply.may_pass)
            case NoAnswer():
                return _Reading("open", may_change=self.server_keeps_keys)
            case _:
                assert_never(reply)

    def _read_answer(self, answer: Answered, *, is_open: bool) -> _Reading:
        status, keeps = answer.status, self.server_keeps_keys
        is_refusal = status in range(400, 500) or status in _MOVED
        if status in range(200, 300):
            return _Reading("done")
        if is_refusal and answer.is_replay:
            return _Reading("refused")
        if status == _TOO_MANY_REQUESTS:
            return _Reading("nothing", may_change=answer.should_retry is not False)
        may_change = keeps and not answer.is_replay and answer.should_retry is not False
        is_in_progress = keeps and (status == _CONFLICT or answer.should_retry is True)
        if is_in_progress or status == _TIMED_OUT or status in range(500, 600):
            return _Reading("open", may_change=may_change)
        if is_refusal and (not is_open or status in _GIVEN_FOR_THE_KEY):
            return _Reading("refused")
        return _Reading("open")

    def _choose_pause(self, reply: Reply, sends: int) -> float:
        """Return how long to wait before the next send: as the server asks, if that is longer.

        The pauses double. Each key has its own share of them, so that calls which failed together
        do not come back together.
        """
        pause: float = min(_FIRST_PAUSE_SECONDS * 2 ** (sends - 1), _LONGEST_PAUSE_SECONDS)
        digest = hashlib.sha256(f"{self.key}:{sends}".encode()).digest()
        pause *= 0.5 + 0.5 * digest[0] / 255
        asked = reply.retry_after_seconds if isinstance(reply, Answered) else None
        return max(pause, asked or 0.0)

    def _give_up(self, reply: Reply, sends: int, *, is_open: bool) -> Exception:
        status = reply.status if isinstance(reply, Answered) else None
        seen = _word_reply(reply)
        if is_open:
            return OutcomeOpenError(
                request=self.words,
                seen=seen,
                status=status,
                sends=sends,
                server_keeps_keys=self.server_keeps_keys,
            )
        asked = reply.retry_after_seconds if isinstance(reply, Answered) else None
        return NotAppliedError(
            f"{self.words} {seen} (sends: {sends}). Nothing happened; try again later.",
            status=status,
            retry_after_seconds=asked,
        )


def _word_reply(reply: Reply) -> str:
    if isinstance(reply, Answered):
        return f"was answered with status {reply.status}" + (
            f" ({reply.excerpt})" if reply.excerpt else ""
        )
    if isinstance(reply, NotSent):
        return f"could not be sent: {reply.reason}"
    return f"got no whole answer: {reply.reason}"
