"""Metrics instruments: counted from events and from stages as they end.

Labels are of low cardinality: workers, tools, models, statuses and classes of errors, as they are
declared in code; never threads, steps, goals or words. A process counts what happened in it: what a
crashed one did and another does again is counted by both.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from opentelemetry.metrics import Counter, Histogram, Meter, UpDownCounter

from interlock.contracts.handoff import Handoff
from interlock.telemetry import events
from interlock.telemetry.spans import Fact, Stage, name_result
from interlock.telemetry.tracing import conventions as words

Labels = dict[str, str | bool | int | float]

_BREAKER_LEVELS: Final = {"closed": 0, "half_open": 1, "open": 2}
_STAGES: Final = (
    ("queue", "queued_at", "turn_at"),
    ("brief", "turn_at", "started_at"),
    ("work", "started_at", "ended_at"),
    ("review", "ended_at", "reviewed_at"),
)


class Instruments:
    """All instruments of one meter."""

    def __init__(self, meter: Meter) -> None:
        """Create them."""
        self._meter = meter
        self._runs_active: UpDownCounter = meter.create_up_down_counter(
            "interlock.runs.active", "{run}", "Runs that this process drives now."
        )
        self._workflow = self._time("gen_ai.workflow.duration", words.WORKFLOW_BUCKETS)
        self._agent = self._time("gen_ai.invoke_agent.duration", words.AGENT_BUCKETS)
        self._operation = self._time("gen_ai.client.operation.duration", words.OPERATION_BUCKETS)
        self._tool = self._time("gen_ai.execute_tool.duration", words.OPERATION_BUCKETS)
        self._step = self._time("interlock.step.duration", words.STAGE_BUCKETS)
        self._stage = self._time("interlock.handoff.duration", words.STAGE_BUCKETS)
        self._answer = self._time("interlock.answer.duration", words.PERSON_BUCKETS)
        self._tokens: Histogram = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=words.TOKEN_BUCKETS,
        )
        self._money = self._count("interlock.money", "1", "What model calls cost.")
        self._steps = self._count("interlock.steps", "{step}", "Steps that settled.")
        self._attempts = self._count("interlock.attempts", "{attempt}", "Attempts by verdict.")
        self._findings = self._count("interlock.findings", "{finding}", "Findings by result.")
        self._plans = self._count("interlock.plans", "{plan}", "Plans accepted and refused.")
        self._effects = self._count("interlock.effects", "{call}", "Guarded calls by state.")
        self._asked = self._count("interlock.questions.asked", "{question}", "Questions put.")
        self._answered = self._count(
            "interlock.questions.answered", "{question}", "Questions that a person answered."
        )
        self._breaker_changes = self._count(
            "interlock.breaker.changes", "{change}", "Breakers that opened, tried or closed."
        )
        self._breaker_state = meter.create_gauge(
            "interlock.breaker.state", "1", "0 closed, 1 half open, 2 open; as last seen here."
        )

    def _time(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        return self._meter.create_histogram(
            name, "s", _DESCRIPTIONS[name], explicit_bucket_boundaries_advisory=buckets
        )

    def _count(self, name: str, unit: str, description: str) -> Counter:
        return self._meter.create_counter(name, unit, description)

    def begin(self, stage: Stage) -> None:
        """Count a stage that opens."""
        if stage == "run":
            self._runs_active.add(1)

    def end(
        self, stage: Stage, facts: Mapping[str, Fact], *, seconds: float, error: str | None
    ) -> None:
        """Count a stage that ended.

        Args:
            stage: Its kind.
            facts: All that was told of it.
            seconds: How long it took.
            error: The class of what it failed with.
        """
        match stage:
            case "run":
                self._runs_active.add(-1)
                labels = _label(facts, "workflow", "status", error=error)
                self._workflow.record(seconds, labels)
            case "step":
                self._step.record(seconds, _label(facts, "worker", "status"))
            case "promotion":
                labels = {**_label(facts, "worker"), "interlock.stage": "promotion"}
                self._stage.record(seconds, labels)
            case "work":
                self._agent.record(seconds, _label(facts, "agent", error=error))
            case "tool":
                self._tool.record(seconds, _label(facts, "tool", "agent", error=error))
            case "model":
                self._end_model(facts, seconds, error)
            case "plan" | "attempt" | "brief" | "review":
                pass

    def _end_model(self, facts: Mapping[str, Fact], seconds: float, error: str | None) -> None:
        if not facts.get("is_sent"):
            return  # a guard refused it: no model was asked
        labels = {**_label(facts, "provider", "model"), words.OPERATION: "chat"}
        failed = {words.ERROR_TYPE: error} if error else {}
        self._operation.record(seconds, {**labels, **failed})
        for kind in ("input", "output"):
            tokens = facts.get(f"{kind}_tokens")
            if isinstance(tokens, int):
                self._tokens.record(tokens, {**labels, words.TOKEN_TYPE: kind})
        money = facts.get("money")
        if isinstance(money, float) and money > 0:
            self._money.add(money, {**labels, **_label(facts, "role")})

    def hear(self, event: events.Event) -> None:
        """Count an event."""
        match event:
            case events.StepSettled():
                self._steps.add(1, {"interlock.status": event.status})
            case events.HandoffRecorded():
                self._hear_handoff(event.handoff)
            case events.EffectRecorded():
                self._hear_effect(event)
            case events.QuestionAsked():
                self._asked.add(1, {"interlock.question.kind": event.question.kind})
            case events.BreakerChanged():
                labels: Labels = {"interlock.breaker.name": event.name}
                self._breaker_state.set(_BREAKER_LEVELS[event.state], labels)
                self._breaker_changes.add(1, {**labels, "interlock.breaker.state": event.state})
            case events.PlanAccepted():
                self._plans.add(1, {"interlock.result": "accepted"})
            case events.PlanRefused():
                self._plans.add(1, {"interlock.result": "refused"})
            case _:
                pass

    def _hear_effect(self, event: events.EffectRecorded) -> None:
        labels: Labels = {
            words.name_attribute("tool"): event.tool,
            "interlock.effect.state": event.state,
            "interlock.effect.duplicate": event.is_duplicate,
        }
        self._effects.add(1, labels)

    def _hear_handoff(self, handoff: Handoff) -> None:
        if handoff.kind == "answer":
            self._answered.add(1)
            if handoff.started_at is not None:
                self._answer.record(_count_seconds(handoff.started_at, handoff.ended_at))
        if handoff.kind == "output" and handoff.turn_at is not None:
            self._hear_attempt(handoff)

    def _hear_attempt(self, handoff: Handoff) -> None:
        """Count an attempt: an output that had a turn; others are a person's, or decided again."""
        verdict = handoff.verdict
        labels: Labels = {"interlock.worker": handoff.worker or ""}
        told = {**labels, "interlock.verdict": verdict.action if verdict else ""}
        if verdict is not None and verdict.error:
            told[words.ERROR_TYPE] = verdict.error
        self._attempts.add(1, told)
        for finding in verdict.findings if verdict else ():
            result = name_result(finding)
            self._findings.add(
                1, {"interlock.criterion.kind": finding.kind, "interlock.result": result}
            )
        for stage, begun, ended in _STAGES:
            since, until = getattr(handoff, begun), getattr(handoff, ended)
            if since is not None and until is not None:
                seconds = _count_seconds(since, until)
                self._stage.record(seconds, {**labels, "interlock.stage": stage})


_DESCRIPTIONS: Final = {
    "gen_ai.workflow.duration": "GenAI workflow duration.",
    "gen_ai.invoke_agent.duration": "How long a worker had one brief.",
    "gen_ai.client.operation.duration": "GenAI operation duration.",
    "gen_ai.execute_tool.duration": "The duration of a single tool execution.",
    "interlock.step.duration": "From when a step could start to when it settled or was put aside.",
    "interlock.handoff.duration": "How long a handoff was in each of its stages.",
    "interlock.answer.duration": "From a question to a person's answer.",
}


def _count_seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())


def _label(facts: Mapping[str, Fact], *names: str, error: str | None = None) -> Labels:
    """Return what is known of some facts, as labels."""
    labels: Labels = {}
    for name in names:
        value = facts.get(name)
        if value is not None and value != "":
            labels[words.name_attribute(name)] = value
    if error is not None:
        labels[words.ERROR_TYPE] = error
    return labels
