"""`OpenTelemetry`: watches runs for OpenTelemetry's providers; forces no exporter.

Nodes open stages and emit events; here they become spans and metrics. Without a provider, the API
itself does nothing.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Final, Literal

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import StepId, ThreadId
from interlock.telemetry import events
from interlock.telemetry.spans import NO_FACTS, SILENT_SPAN, Fact, Facts, OpenSpan, Stage
from interlock.telemetry.tracing.content import ContentRules, Redact, clean_text, clean_value
from interlock.telemetry.tracing.conventions import (
    CONVERSATION,
    KINDS,
    OPERATION,
    OPERATIONS,
    name_attribute,
    name_provider,
    name_span,
)
from interlock.telemetry.tracing.instruments import Instruments
from interlock.telemetry.tracing.never_raises import never_raises
from interlock.telemetry.tracing.recorded_span import RecordedSpan
from interlock.telemetry.tracing.references import list_links

_SCOPE: Final = "interlock"
_MOST_ASKED: Final = 10_000
"""Open questions whose askers are remembered; of others the wait has no link to who asked."""


class OpenTelemetry:
    """Spans and metrics of all runs of a team, for the providers that the application has set up."""

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        content: Literal["off", "on"] = "off",
        redact: Redact | None = None,
        max_content_chars: int = 16_384,
    ) -> None:
        """Watch for a tracer provider and a meter provider.

        Args:
            tracer_provider: Makes spans; the global one if left out.
            meter_provider: Makes instruments; the global one if left out.
            content: Whether briefs, messages, outputs, arguments and words of errors are shown.
            redact: Called with an attribute's name and its content before it is shown; returns
                what may be shown, or None. If it raises, the content is left out.
            max_content_chars: Of one attribute; the rest is cut.

        Raises:
            ConfigurationError: `content` is neither `on` nor `off`.
        """
        if content not in {"off", "on"}:
            raise ConfigurationError(
                f"OpenTelemetry was given content={content!r}. Write 'on' to show briefs, messages and "
                "outputs in spans, or 'off'."
            )
        release = version("interlock")
        self._tracer = trace.get_tracer(_SCOPE, release, tracer_provider)
        self._instruments = Instruments(metrics.get_meter(_SCOPE, release, meter_provider))
        self._rules = ContentRules(content=content, redact=redact, limit=max_content_chars)
        self._runs: dict[ThreadId, RecordedSpan] = {}
        self._steps: dict[tuple[ThreadId, StepId], RecordedSpan] = {}
        self._asked: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Yes: events are counted."""
        return True

    @property
    def shows_content(self) -> bool:
        """Whether content is shown."""
        return self._rules.is_on

    def open(
        self,
        stage: Stage,
        name: str = "",
        *,
        facts: Facts = NO_FACTS,
        links: Sequence[str | None] = (),
    ) -> OpenSpan:
        """Open a span within the current one."""
        opened: list[OpenSpan] = []
        self._open(opened, stage, name, facts=dict(facts), links=links)
        return opened[0] if opened else SILENT_SPAN

    @never_raises
    def _open(
        self,
        opened: list[OpenSpan],
        stage: Stage,
        name: str,
        *,
        facts: dict[str, Fact],
        links: Sequence[str | None],
    ) -> None:
        if "provider" in facts:
            facts["provider"] = name_provider(str(facts["provider"]))
        attributes = {
            name_attribute(fact): clean_value(value)
            for fact, value in facts.items()
            if value is not None
        }
        if stage in OPERATIONS:
            attributes[OPERATION] = OPERATIONS[stage]
            attributes[CONVERSATION] = attributes.get(name_attribute("thread"), "")
        span = self._tracer.start_span(
            clean_text(name_span(stage, name), limit=200),
            kind=KINDS.get(stage, SpanKind.INTERNAL),
            attributes=attributes,
            links=list_links(links),
        )
        recorded = RecordedSpan(
            stage, span, facts=facts, links=links, rules=self._rules, on_end=self._note_end
        )
        opened.append(recorded)
        self._instruments.begin(stage)
        self._place(recorded)

    def _place(self, span: RecordedSpan) -> None:
        """Remember a run or a step while it is open, for events about it."""
        thread = ThreadId(str(span.facts.get("thread")))
        if span.stage == "run":
            self._runs[thread] = span
        elif span.stage == "step":
            self._steps[thread, StepId(str(span.facts.get("step")))] = span

    def _note_end(self, span: RecordedSpan, seconds: float, error: str | None) -> None:
        thread = ThreadId(str(span.facts.get("thread")))
        step = (thread, StepId(str(span.facts.get("step"))))
        if self._runs.get(thread) is span:
            del self._runs[thread]
        if self._steps.get(step) is span:
            del self._steps[step]
        self._instruments.end(span.stage, span.facts, seconds=seconds, error=error)

    @never_raises
    def remember_asker(self, question_id: str, reference: str | None) -> None:
        """Know in which span a question was asked."""
        if reference is None:
            return
        with self._lock:
            self._asked.setdefault(question_id, reference)
            while len(self._asked) > _MOST_ASKED:
                self._asked.popitem(last=False)

    @never_raises
    def hear(self, event: events.Event) -> None:
        """Count an event, and mark it on the span that it is about."""
        self._instruments.hear(event)
        match event:
            case events.AttemptRefused():
                self._mark(event, event.step_id, event.action, attempt=event.attempt)
            case events.QuestionAsked():
                self._hear_question(event)
            case events.EffectRecorded():
                self._mark(
                    event,
                    event.step_id,
                    "effect",
                    tool=event.tool,
                    key=event.key,
                    state=event.state,
                    is_duplicate=event.is_duplicate,
                )
            case events.BreakerChanged():
                self._mark(event, None, "breaker", name=event.name, state=event.state)
            case events.PlanRefused():
                self._mark(event, event.step_id, "plan_refused", attempt=event.attempt)
            case events.PlanAccepted():
                self._mark(event, None, "plan_accepted", version=event.version, steps=event.total)
            case events.HandoffRecorded():
                self._hear_handoff(event.handoff)
            case _:
                pass

    def _find(self, thread_id: ThreadId, step_id: StepId | None) -> RecordedSpan | None:
        step = self._steps.get((thread_id, step_id)) if step_id else None
        return step or self._runs.get(thread_id)

    def _mark(self, event: events.Event, step_id: StepId | None, what: str, **facts: Fact) -> None:
        span = self._find(event.thread_id, step_id)
        if span is not None:
            span.mark(what, **facts)

    def _hear_question(self, event: events.QuestionAsked) -> None:
        question = event.question
        span = self._find(event.thread_id, question.step_id)
        if span is not None:
            span.mark("question", question=question.id, kind=question.kind)
            self.remember_asker(question.id, span.reference)

    def _hear_handoff(self, handoff: Handoff) -> None:
        if handoff.kind == "answer":
            self._record_wait(handoff)
        elif handoff.kind == "refusal":
            span = self._find(handoff.thread_id, handoff.step_id)
            error = handoff.verdict.error if handoff.verdict else None
            if span is not None:
                span.mark("turned_away", worker=handoff.worker, error=error)

    def _record_wait(self, handoff: Handoff) -> None:
        """Record the time that a person took: a trace of its own, linked to who asked and who goes on.

        It may last for days; within the run's trace nobody would see anything else.
        """
        question_id = handoff.question_id or ""
        with self._lock:
            asker = self._asked.pop(question_id, None)
        run = self._runs.get(handoff.thread_id)
        payload = handoff.payload if isinstance(handoff.payload, dict) else {}
        decision = (payload.get("answer") or {}).get("type")
        told = {
            "thread": handoff.thread_id,
            "step": handoff.step_id,
            "question": question_id,
            "decision": decision,
        }
        span = self._tracer.start_span(
            "person",
            contexts.Context(),
            attributes={
                name_attribute(k): clean_value(v) for k, v in told.items() if v is not None
            },
            links=list_links(_list_neighbours(asker, run)),
            start_time=_count_nanoseconds(handoff.started_at or handoff.ended_at),
        )
        span.end(_count_nanoseconds(handoff.ended_at))
        if run is not None:
            run.span.add_link(span.get_span_context())
            run.mark("answer", step=handoff.step_id, question=question_id, decision=decision)


def _list_neighbours(asker: str | None, run: RecordedSpan | None) -> list[str | None]:
    """Return who asked, or the drive before if that is all that is known, and who goes on."""
    if run is None:
        return [asker]
    return [asker, run.reference] if asker else [*run.links, run.reference]


def _count_nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000) * 1_000
