"""The script of a model: who takes which reply, what was asked, and what differs in the end.

Shared by all copies and bound views of one scripted model; safe from several threads.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage

from interlock.testing.scripted_replies import ModelReply

When: TypeAlias = str | Callable[["ScriptedCall"], bool]

_EXCERPT: Final = 300


class UnexpectedCallError(AssertionError):
    """What a scripted model was asked and what it was told to expect differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """One call that a scripted model was sent.

    Attributes:
        number: From 1, in order of arrival.
        messages: As sent.
        tools: The names of the tools that were offered.
        options: What else was bound or passed, such as `stop` or `response_format`.
        worker: Who called, if that was a worker in a run.
        step_id: Its step, by path.
    """

    number: int
    messages: tuple[BaseMessage, ...]
    tools: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    worker: str | None = None
    step_id: str | None = None

    @property
    def text(self) -> str:
        """All that the messages say, one after the other."""
        return "\n".join(message.text for message in self.messages)

    def __str__(self) -> str:
        """Return who asked what, shortened."""
        who = f"worker {self.worker!r}" if self.worker else "a caller outside any worker"
        words = self.text if len(self.text) <= _EXCERPT else f"...{self.text[-_EXCERPT:]}"
        offered = f", offered the tools {', '.join(self.tools)}" if self.tools else ""
        return f"call {self.number} by {who}{offered}: {words!r}"


@dataclass(slots=True)
class _Entry:
    reply: ModelReply | AIMessage
    when: When | None
    worker: str | None
    left: int | None

    def fits(self, call: ScriptedCall) -> bool:
        if self.left == 0 or (self.worker is not None and self.worker != call.worker):
            return False
        if callable(self.when):
            return self.when(call)
        return self.when is None or self.when in call.text

    def __str__(self) -> str:
        when = f" when {self.when!r}" if self.when is not None else ""
        who = f" for worker {self.worker!r}" if self.worker is not None else ""
        return f"{_word_reply(self.reply)}{who}{when}"


def _word_reply(reply: ModelReply | AIMessage) -> str:
    if isinstance(reply, AIMessage):
        return f"{reply.text!r:.200}"
    for said in (reply.error, reply.value, list(reply.tool_calls) or None):
        if said is not None:
            return f"{said!r:.200}"
    return f"{reply.text!r:.200}"


class Script:
    """Replies that are left, and calls that came."""

    def __init__(self) -> None:
        """Expect nothing yet."""
        self._entries: list[_Entry] = []
        self._calls: list[ScriptedCall] = []
        self._unexpected: list[ScriptedCall] = []
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: copies of a model go on in the same script."""
        del memo
        return self

    @property
    def calls(self) -> tuple[ScriptedCall, ...]:
        """What was asked so far."""
        with self._lock:
            return tuple(self._calls)

    def expect(
        self,
        replies: Sequence[ModelReply | AIMessage],
        *,
        when: When | None,
        worker: str | None,
        times: int | None,
    ) -> None:
        """Add replies to the end."""
        with self._lock:
            self._entries += [_Entry(reply, when, worker, times) for reply in replies]

    def take(self, call: ScriptedCall) -> tuple[ScriptedCall, ModelReply | AIMessage]:
        """Return the first reply that fits a call, and the call with its number.

        Raises:
            UnexpectedCallError: None does.
        """
        with self._lock:
            numbered = ScriptedCall(
                number=len(self._calls) + 1,
                messages=call.messages,
                tools=call.tools,
                options=call.options,
                worker=call.worker,
                step_id=call.step_id,
            )
            self._calls.append(numbered)
            for entry in self._entries:
                if entry.fits(numbered):
                    entry.left = None if entry.left is None else entry.left - 1
                    return numbered, entry.reply
            self._unexpected.append(numbered)
            left = self._list_left() or ["nothing"]
        raise UnexpectedCallError(
            f"The scripted model has no reply for {numbered}. Left in the script: "
            f"{'; '.join(left)}. Script a reply for it, or correct who calls."
        )

    def check(self) -> None:
        """Return if every call was expected and every reply was taken.

        Raises:
            UnexpectedCallError: They differ; the message lists how.
        """
        with self._lock:
            lines = [f"asked, not scripted: {call}" for call in self._unexpected]
            lines += [f"scripted, not asked for: {words}" for words in self._list_left()]
        if lines:
            raise UnexpectedCallError("\n".join(lines))

    def _list_left(self) -> list[str]:
        return [f"{entry} ({entry.left}x)" for entry in self._entries if entry.left]
