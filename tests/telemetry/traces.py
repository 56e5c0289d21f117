"""A tracer and a meter that keep what they are told, and a trace drawn as a tree."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

import interlock as il


class Watched:
    """Providers of one test, apart from the global ones, and what was recorded through them."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    def build(self, **options: Any) -> il.OpenTelemetry:
        """Return a telemetry that records here."""
        return il.OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def tracer(self) -> Tracer:
        """A tracer such as a user's own code has."""
        return self.tracers.get_tracer("app")

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """All that have ended, in order of their starts."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def find(self, name: str) -> ReadableSpan:
        """Return the one span of a name."""
        (found,) = self.find_all(name)
        return found

    def find_all(self, name: str) -> list[ReadableSpan]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def draw(self, root: str) -> list[str]:
        """Return the spans below the first of a name, one a line, indented by their depth."""
        return list(_draw(self.find_all(root)[0], self.spans, 0))

    def read_points(self) -> Mapping[tuple[str, frozenset[tuple[str, Any]]], float]:
        """Return all numbers of all instruments: sums, or how often something was measured."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            (metric.name, frozenset((point.attributes or {}).items())): getattr(
                point, "value", getattr(point, "count", None)
            )
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }


def _draw(span: ReadableSpan, spans: Sequence[ReadableSpan], depth: int) -> Iterator[str]:
    yield "  " * depth + span.name
    for child in spans:
        if child.parent is not None and child.parent.span_id == span.context.span_id:
            yield from _draw(child, spans, depth + 1)


def read(span: ReadableSpan) -> Mapping[str, Any]:
    """Return a span's attributes."""
    return dict(span.attributes or {})


def list_linked(span: ReadableSpan) -> list[int]:
    """Return the ids of the spans that a span is linked to."""
    return [link.context.span_id for link in span.links]


def list_events(span: ReadableSpan) -> list[str]:
    """Return the names of a span's events."""
    return [event.name for event in span.events]


class OpenSpans(SpanProcessor):
    """Knows which spans have begun and not ended."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.names[span.get_span_context().span_id] = span.name

    def on_end(self, span: ReadableSpan) -> None:
        del self.names[span.context.span_id]
