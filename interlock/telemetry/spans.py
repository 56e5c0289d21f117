"""What the nodes tell a tracer: stages that open and end, and every event.

The nodes speak in the words of this package; a tracer, such as `tracing.OpenTelemetry`, turns them
into its own. The silent one stands in its place where nobody traces, and costs next to nothing.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol, TypeAlias, runtime_checkable

from interlock.contracts.criteria import Finding
from interlock.telemetry.events import Event

Stage: TypeAlias = Literal[
    "run", "plan", "step", "attempt", "brief", "work", "review", "promotion", "model", "tool"
]
Fact: TypeAlias = str | bool | int | float | None
"""A None is left out."""

Facts: TypeAlias = Mapping[str, Fact]
NO_FACTS: Final[Facts] = MappingProxyType({})

SPAN: Final = "span"
"""Where what is checkpointed keeps the reference of the span that it belongs to."""


class OpenSpan(Protocol):
    """A stage that is under way; every method is safe to call from any thread, also after its end."""

    @property
    def reference(self) -> str | None:
        """Where to find it from another process, as W3C's traceparent; None if nothing is kept."""
        ...

    def enter(self) -> AbstractContextManager[object]:
        """Make what the calling task begins in the block a part of it."""
        ...

    def lend(self) -> None:
        """Make what the calling task begins a part of it, for callers that we do not wrap.

        Until it ends, or is taken back.
        """
        ...

    def take_back(self) -> None:
        """Let nothing more be a part of it for which it was lent; from whatever thread or context."""
        ...

    def tell(self, **facts: Fact) -> None:
        """Add what is known by now."""
        ...

    def show(self, what: str, value: object) -> None:
        """Add content: a brief, a message, an answer; left out unless the user asked for it."""
        ...

    def mark(self, what: str, **facts: Fact) -> None:
        """Note that something happened now."""
        ...

    def fail(self, error: BaseException | str) -> None:
        """Say that it failed: with what it raised, or the name of that."""
        ...

    def end(self) -> None:
        """End it; the first call counts."""
        ...


@runtime_checkable
class Telemetry(Protocol):
    """Somebody who watches runs; nothing that it does or fails to do changes a run."""

    @property
    def is_on(self) -> bool:
        """Whether anybody wants to hear of events."""
        ...

    @property
    def shows_content(self) -> bool:
        """Whether content is wanted; else it need not be built."""
        ...

    def open(
        self,
        stage: Stage,
        name: str = "",
        *,
        facts: Facts = NO_FACTS,
        links: Sequence[str | None] = (),
    ) -> OpenSpan:
        """Open a stage within the one that the calling task is in.

        Args:
            stage: Its kind.
            name: Whose: a worker's, a step's, a model's or a tool's; of low cardinality.
            facts: What is known already.
            links: References of what it goes on from.
        """
        ...

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        ...

    def remember_asker(self, question_id: str, reference: str | None) -> None:
        """Know in which span a question was asked, perhaps by a process that is gone."""
        ...


class _SilentSpan:
    """A stage that nobody watches."""

    __slots__ = ()

    @property
    def reference(self) -> str | None:
        return None

    def enter(self) -> AbstractContextManager[object]:
        return _NOWHERE

    def lend(self) -> None:
        pass

    def take_back(self) -> None:
        pass

    def tell(self, **facts: Fact) -> None:
        pass

    def show(self, what: str, value: object) -> None:
        pass

    def mark(self, what: str, **facts: Fact) -> None:
        pass

    def fail(self, error: BaseException | str) -> None:
        pass

    def end(self) -> None:
        pass


class _Silent:
    """Watches nothing."""

    __slots__ = ()

    @property
    def is_on(self) -> bool:
        return False

    @property
    def shows_content(self) -> bool:
        return False

    def open(
        self,
        stage: Stage,
        name: str = "",
        *,
        facts: Facts = NO_FACTS,
        links: Sequence[str | None] = (),
    ) -> OpenSpan:
        del stage, name, facts, links
        return SILENT_SPAN

    def hear(self, event: Event) -> None:
        pass

    def remember_asker(self, question_id: str, reference: str | None) -> None:
        pass


_NOWHERE: Final[AbstractContextManager[Any]] = nullcontext()
SILENT_SPAN: Final[OpenSpan] = _SilentSpan()
SILENT: Final[Telemetry] = _Silent()


@contextmanager
def within(
    span: OpenSpan, *, pauses: tuple[type[BaseException], ...] = (), paused: str = "suspended"
) -> Iterator[OpenSpan]:
    """Make a stage last as long as a block; what leaves the block is what it failed with.

    What is cut off by others, as at a deploy, has not failed.

    Args:
        span: Of the stage.
        pauses: Errors that say that it goes on later.
        paused: Its status then.
    """
    try:
        with span.enter():
            yield span
    except asyncio.CancelledError:
        span.tell(status="cut_off")
        raise
    except pauses:
        span.tell(status=paused)
        raise
    except BaseException as exc:
        span.fail(exc)
        raise
    finally:
        span.end()


def name_result(finding: Finding) -> str:
    """Return what a criterion came to, in a word."""
    if finding.undecided or finding.asks_person:
        return "undecided"
    return "passed" if finding.passed else "failed"
