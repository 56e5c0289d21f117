"""Spans of other processes: W3C's traceparent, read and written.

Source: W3C Trace Context, section 3.2 (traceparent header), version 00.
"""

from collections.abc import Iterable, Iterator

from opentelemetry.trace import Link, SpanContext, TraceFlags, format_span_id, format_trace_id

_HEX_PARTS = (2, 32, 16, 2)


def write_reference(context: SpanContext) -> str | None:
    """Return a span as a text; None if it is none."""
    if not context.is_valid:
        return None
    trace, span = format_trace_id(context.trace_id), format_span_id(context.span_id)
    return f"00-{trace}-{span}-{int(context.trace_flags) & 0xFF:02x}"


def read_reference(text: str | None) -> SpanContext | None:
    """Return the span that a text names, or None if it names none."""
    parts = (text or "").split("-")
    if tuple(len(part) for part in parts) != _HEX_PARTS:
        return None
    try:
        _, trace, span, flags = (int(part, 16) for part in parts)
    except ValueError:
        return None
    context = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None


def list_links(references: Iterable[str | None]) -> list[Link]:
    """Return links to spans, each once."""
    return list(_build_links(dict.fromkeys(references)))


def _build_links(references: Iterable[str | None]) -> Iterator[Link]:
    for reference in references:
        context = read_reference(reference)
        if context is not None:
            yield Link(context)
