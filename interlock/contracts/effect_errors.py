"""Errors about effects: the part of the tree in `errors` that guarded tools raise."""

from shlex import quote
from typing import Final

from interlock.contracts.errors import (
    AnswerError,
    ConfigurationError,
    PermanentError,
    TransientError,
)

_KEY_REUSED: Final = 422


class NotAppliedError(TransientError):
    """Raise it from a tool to say that nothing has happened, so that it may be run again."""


class AttemptOverError(NotAppliedError):
    """A guarded tool was to begin an effect for an attempt that had ended."""

    tool: str
    step_id: str

    def __init__(self, *, tool: str, step_id: str) -> None:
        """Name the tool and the step."""
        super().__init__(tool=tool, step_id=step_id)

    def __str__(self) -> str:
        """Say why nothing was run, and what to do."""
        return (
            f"Tool {self.tool!r} was called for step {self.step_id!r} after the attempt had ended: "
            "its time was up, or its worker had returned. Nothing was run. A worker awaits all that "
            "it starts; a longer timeout gives it more time."
        )


class EffectBusyError(TransientError):
    """Another call for the same effect is running and did not end in time."""

    tool: str
    key: str
    seconds: float

    def __init__(self, *, tool: str, key: str, seconds: float) -> None:
        """Name the tool, the key and how long the caller waited."""
        super().__init__(tool=tool, key=key, seconds=seconds)

    def __str__(self) -> str:
        """Say what is running and what to do."""
        return (
            f"Tool {self.tool!r} is being run for key {self.key!r} by another call, which did not "
            f"end within {self.seconds:.3g} s. It was not run a second time. Try again later: its "
            "answer is recorded when it comes."
        )


class EffectUnknownError(PermanentError):
    """An effect was begun and nobody knows whether it happened."""

    tool: str
    key: str
    thread_id: str
    reason: str

    def __init__(self, *, tool: str, key: str, thread_id: str, reason: str) -> None:
        """Name the tool, the key, the thread and what happened."""
        super().__init__(tool=tool, key=key, thread_id=thread_id, reason=reason)

    def __str__(self) -> str:
        """Say that nothing is guessed, and how to settle it."""
        return (
            f"Whether tool {self.tool!r} took effect for key {self.key!r} is not known: "
            f"{self.reason.removesuffix('.')}. It is not run again. Look, then say so with "
            f"`interlock effects settle {quote(self.thread_id)} {self.key} --happened` or "
            "`--not-happened`; or declare probe= or natural= on the tool."
        )


class KeyReusedError(PermanentError):
    """An idempotency key was used again with other arguments."""

    tool: str
    key: str
    recorded: str
    given: str

    def __init__(self, *, tool: str, key: str, recorded: str, given: str) -> None:
        """Name the tool, the key, and both calls in words."""
        super().__init__(tool=tool, key=key, recorded=recorded, given=given)

    def __str__(self) -> str:
        """Show both calls."""
        return (
            f"Key {self.key!r} of tool {self.tool!r} stands for {self.recorded}, and was used again "
            f"for {self.given}. Nothing was run. Give the other call another key, or the same "
            "arguments."
        )


class RecordedEffectError(PermanentError):
    """The recorded error of an effect, whose own class cannot be built again here."""

    tool: str
    error_type: str
    error: str

    def __init__(self, *, tool: str, error_type: str, error: str) -> None:
        """Name the tool and what it raised when it ran."""
        super().__init__(tool=tool, error_type=error_type, error=error)

    def __str__(self) -> str:
        """Say what was raised when the tool ran."""
        return f"Tool {self.tool!r} ended with {self.error_type}: {self.error}"


class NoEffectScopeError(ConfigurationError):
    """A guarded tool was called where no ledger is at hand."""

    tool: str

    def __init__(self, *, tool: str) -> None:
        """Name the tool."""
        super().__init__(tool=tool)

    def __str__(self) -> str:
        """Say how to open one."""
        return (
            f"Tool {self.tool!r} was called outside a run, where no ledger is at hand. Call it in "
            "a worker, or inside `with il.effects(ledger=storage, scope='...')`."
        )


class UnknownEffectError(AnswerError):
    """There is no such effect on this thread."""

    key: str
    thread_id: str
    unknown: tuple[str, ...]

    def __init__(self, *, key: str, thread_id: str, unknown: tuple[str, ...]) -> None:
        """Name the key, the thread, and what is to be settled there."""
        super().__init__(key=key, thread_id=thread_id, unknown=unknown)

    def __str__(self) -> str:
        """Say which keys can be settled."""
        listed = ", ".join(self.unknown) or "none"
        return (
            f"Thread {self.thread_id!r} has no effect {self.key!r}, or more than one that begins "
            f"so. To be settled there: {listed}."
        )


class EffectSettledError(AnswerError):
    """The outcome of the effect is known, and is another than was said."""

    key: str
    state: str
    reason: str

    def __init__(self, *, key: str, state: str, reason: str) -> None:
        """Name the key, its state and why it cannot be settled so."""
        super().__init__(key=key, state=state, reason=reason)

    def __str__(self) -> str:
        """Say what is recorded."""
        return (
            f"Effect {self.key!r} is {self.state}: {self.reason.removesuffix('.')}. "
            "Nothing was changed."
        )


class RequestRefusedError(PermanentError):
    """A server has refused a request for good: it did nothing, and would refuse it again."""

    request: str
    status: int
    excerpt: str
    sends: int

    def __init__(self, *, request: str, status: int, excerpt: str, sends: int) -> None:
        """Name the request without its secrets, the status, the answer's beginning, the sends."""
        super().__init__(request=request, status=status, excerpt=excerpt, sends=sends)

    def __str__(self) -> str:
        """Say what the server answered and what may be wrong."""
        said = f": {self.excerpt}" if self.excerpt else "."
        words = f"{self.request} was refused with status {self.status}{said}"
        if self.status in range(300, 400):
            return f"{words} A request that writes is not redirected: send it to the new address."
        if self.status == _KEY_REUSED:
            return (
                f"{words} Either what it asks for is not valid, or its key came before with another "
                "payload: give each request of a tool a key of its own."
            )
        return words


class OutcomeOpenError(TransientError):
    """No answer came that says whether a request took effect."""

    request: str
    seen: str
    status: int | None
    sends: int
    server_keeps_keys: bool

    def __init__(
        self, *, request: str, seen: str, status: int | None, sends: int, server_keeps_keys: bool
    ) -> None:
        """Name the request without its secrets, what came last, and how often it was sent.

        Args:
            request: The request, in words.
            seen: What came of the last send, in words.
            status: What was answered last, or None if no whole answer came.
            sends: How often it was sent.
            server_keeps_keys: Whether the server was said to deduplicate by the key.
        """
        super().__init__(
            request=request,
            seen=seen,
            status=status,
            sends=sends,
            server_keeps_keys=server_keeps_keys,
        )

    def __str__(self) -> str:
        """Say what was seen, and why it is not sent again."""
        words = (
            f"{self.request} {self.seen} (sends: {self.sends}). Whether it took effect is not known"
        )
        if self.server_keeps_keys:
            return f"{words}. Ask the server what became of its key."
        return (
            f"{words}, so it is not sent again. If the server deduplicates by the key, say "
            "server_keeps_keys=True."
        )
