"""A span that stands as the current one for a caller that we do not wrap, until it ends.

LangChain tells of a call's start in the caller's own context, and of its end in another: what was
made current at the start cannot be taken back at the end. So the current span is one that passes
everything on to the call's span while that is open, and to the span around it afterwards.
"""

from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.trace import INVALID_SPAN, Span, SpanContext, Status, StatusCode
from opentelemetry.trace import get_current_span as get_current
from opentelemetry.util import types


class LentSpan(Span):
    """Stands for a call's span while it is open, then for the one around it."""

    def __init__(self, inner: Span, outer: Span, is_open: Callable[[], bool]) -> None:
        """Stand for a span.

        Args:
            inner: The call's.
            outer: Which was current when the call began.
            is_open: Whether the call is under way.
        """
        self._inner: Final = inner
        self._outer: Final = outer
        self._is_open: Final = is_open

    def find(self) -> Span:
        """Return the span that it stands for now."""
        return self._inner if self._is_open() else self._outer

    def get_span_context(self) -> SpanContext:
        """Return the context of the span that it stands for now."""
        return self.find().get_span_context()

    def end(self, end_time: int | None = None) -> None:
        """Do nothing: whoever opened the span ends it."""
        del end_time

    def set_attributes(self, attributes: Mapping[str, types.AnyValue]) -> None:
        """Pass on."""
        self.find().set_attributes(attributes)

    def set_attribute(self, key: str, value: types.AnyValue) -> None:
        """Pass on."""
        self.find().set_attribute(key, value)

    def add_event(
        self, name: str, attributes: types.Attributes = None, timestamp: int | None = None
    ) -> None:
        """Pass on."""
        self.find().add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: types.Attributes = None) -> None:
        """Pass on."""
        self.find().add_link(context, attributes)

    def update_name(self, name: str) -> None:
        """Pass on."""
        self.find().update_name(name)

    def is_recording(self) -> bool:
        """Return whether the span that it stands for now records."""
        return self.find().is_recording()

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Pass on."""
        self.find().set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: types.Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - OpenTelemetry's
    ) -> None:
        """Pass on."""
        self.find().record_exception(exception, attributes, timestamp, escaped)


def find_current() -> Span:
    """Return the current span itself, not one that stands for it."""
    span = get_current()
    while isinstance(span, LentSpan):
        span = span.find()
    return span if span.get_span_context().is_valid else INVALID_SPAN
