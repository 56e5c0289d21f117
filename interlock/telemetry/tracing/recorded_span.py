"""One stage as OpenTelemetry records it; its end counts it, whether or not its trace is sampled."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import context as contexts
from opentelemetry.trace import Span, StatusCode, set_span_in_context

from interlock.telemetry.spans import Fact, Stage
from interlock.telemetry.tracing.content import ContentRules, clean_value
from interlock.telemetry.tracing.conventions import (
    ERROR_TYPE,
    name_attribute,
    name_content,
    name_event,
)
from interlock.telemetry.tracing.lent_span import LentSpan, find_current
from interlock.telemetry.tracing.never_raises import never_raises
from interlock.telemetry.tracing.references import write_reference

SENT: Final = "is_sent"
"""The fact of a model call that it went out; its time is counted from then."""

OnEnd = Callable[["RecordedSpan", float, str | None], None]


class RecordedSpan:
    """A stage that is under way."""

    def __init__(
        self,
        stage: Stage,
        span: Span,
        *,
        facts: Mapping[str, Fact],
        links: Sequence[str | None],
        rules: ContentRules,
        on_end: OnEnd,
    ) -> None:
        """Take over a span that has begun."""
        self.links: Final = links
        self.stage: Final = stage
        self.span: Final = span
        self.facts: Final[dict[str, Fact]] = dict(facts)
        self._rules = rules
        self._on_end = on_end
        self._began = time.perf_counter()
        self._error: str | None = None
        self._is_open = True
        self._is_lent = False
        self._lock = threading.Lock()

    @property
    def reference(self) -> str | None:
        """The span as W3C's traceparent."""
        return write_reference(self.span.get_span_context())

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Make the span current in the block."""
        token = contexts.attach(set_span_in_context(self.span))
        try:
            yield
        finally:
            contexts.detach(token)

    @never_raises
    def lend(self) -> None:
        """Make the span current until it ends, or is taken back."""
        self._is_lent = True
        standing = LentSpan(self.span, find_current(), lambda: self._is_lent)
        contexts.attach(set_span_in_context(standing))

    def take_back(self) -> None:
        """Let the span be current no more where it was lent."""
        self._is_lent = False

    @never_raises
    def tell(self, **facts: Fact) -> None:
        """Set attributes."""
        if facts.get(SENT) and not self.facts.get(SENT):
            self._began = time.perf_counter()
        known = {name: value for name, value in facts.items() if value is not None}
        self.facts.update(known)
        for name, value in known.items():
            if name != SENT:
                self.span.set_attribute(name_attribute(name), clean_value(value))

    @never_raises
    def show(self, what: str, value: object) -> None:
        """Set an attribute to content, if the user asked for it and this trace is kept."""
        if not self.span.is_recording():
            return
        attribute = name_content(self.stage, what)
        shown = self._rules.dump(attribute, value)
        if shown is not None:
            self.span.set_attribute(attribute, shown)

    @never_raises
    def mark(self, what: str, **facts: Fact) -> None:
        """Add an event."""
        self.span.add_event(
            name_event(what),
            {
                name_attribute(name): clean_value(one)
                for name, one in facts.items()
                if one is not None
            },
        )

    @never_raises
    def fail(self, error: BaseException | str) -> None:
        """Set the status to an error of a class; what it says is content."""
        name = error if isinstance(error, str) else type(error).__name__
        self._error = name
        self.span.set_attribute(ERROR_TYPE, clean_value(name))
        self.span.set_status(StatusCode.ERROR, str(clean_value(name)))
        if isinstance(error, BaseException):
            self._record_exception(error)

    def _record_exception(self, error: BaseException) -> None:
        told: dict[str, Any] = {"exception.type": clean_value(type(error).__qualname__)}
        message = self._rules.dump("exception.message", str(error))
        if message is not None:
            told["exception.message"] = message
        self.span.add_event("exception", told)

    @never_raises
    def end(self) -> None:
        """End the span and count the stage, once."""
        with self._lock:
            if not self._is_open:
                return
            self._is_open = self._is_lent = False
        self.span.end()
        self._on_end(self, time.perf_counter() - self._began, self._error)
