"""A step's stages, told to whoever watches the run: the step, its attempts, what is in them.

Dispatch opens a step's, the step graph's nodes the others. A nested or interrupted attempt that
another process goes on with has a span there, too, with a link to the first.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from langgraph.errors import GraphBubbleUp

from interlock.contracts.handoff import Verdict
from interlock.contracts.ids import StepId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import Plain
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.worker import Worker
from interlock.nodes.run.board import SuspendedError
from interlock.nodes.run.place import Place
from interlock.nodes.run.team import Team
from interlock.nodes.steps.step_state import StepState
from interlock.telemetry.spans import (
    SILENT,
    SILENT_SPAN,
    SPAN,
    Facts,
    OpenSpan,
    Stage,
    Telemetry,
    name_result,
    within,
)


@dataclass(slots=True, kw_only=True)
class StepSpans:
    """The spans of one step under way.

    Attributes:
        telemetry: Who watches.
        thread: The thread's id.
        path: The step's.
        is_planned: Whether a planner named the step, so that its words are content.
        step: The step's span.
        attempt: That of the attempt under way; silent between attempts.
        brief: That of the brief, until it is durable.
    """

    telemetry: Telemetry = SILENT
    thread: str = ""
    path: str = ""
    is_planned: bool = True
    step: OpenSpan = SILENT_SPAN
    attempt: OpenSpan = SILENT_SPAN
    brief: OpenSpan = SILENT_SPAN

    def _open(
        self, stage: Stage, name: str = "", *, facts: Facts, links: Sequence[str | None] = ()
    ) -> OpenSpan:
        placed = {"thread": self.thread, "step": self.path, **facts}
        return self.telemetry.open(stage, name, facts=placed, links=links)

    def begin_attempt(self, worker: str, *, attempt: int) -> str | None:
        """Open an attempt with its brief; returns its reference."""
        facts: Facts = {"worker": worker, "attempt": attempt}
        self.attempt = self._open("attempt", worker, facts=facts)
        with self.attempt.enter():
            self.brief = self._open("brief", worker, facts=facts)
        return self.attempt.reference

    def find_attempt(self, state: StepState) -> OpenSpan:
        """Return the attempt's span, a new one if another process or superstep began it."""
        if self.attempt is SILENT_SPAN and self.telemetry.is_on:
            before = (state.get("brief") or {}).get(SPAN)
            worker = state["worker"]
            facts: Facts = {
                "worker": worker,
                "attempt": state["attempt"],
                "is_continued": True,
            }
            self.attempt = self._open("attempt", worker, facts=facts, links=[before])
        return self.attempt

    @contextmanager
    def work(self, worker: Worker, state: StepState, *, shown: Any) -> Iterator[OpenSpan]:  # noqa: ANN401
        """Open the work on a brief that is durable, for as long as a block."""
        attempt = self.find_attempt(state)
        self.brief.end()
        with attempt.enter():
            facts: Facts = {
                "agent": worker.name,
                "agent_description": worker.description or None,
                "attempt": state["attempt"],
            }
            span = self._open("work", worker.name, facts=facts)
            if self.telemetry.shows_content:
                span.show("brief", shown.dump())
            with within(span, pauses=(GraphBubbleUp,)):
                yield span

    @contextmanager
    def review(self, state: StepState) -> Iterator[OpenSpan]:
        """Open a review for as long as a block; what a person wrote is reviewed in no attempt."""
        by_person = (state.get("output") or {}).get("by_person")
        attempt = self.step if by_person else self.find_attempt(state)
        facts: Facts = {"attempt": state["attempt"]}
        with attempt.enter(), within(self._open("review", facts=facts)) as span:
            yield span

    def end_attempt(self, update: StepState) -> None:
        """End the attempt with what review says of it."""
        attempt, self.attempt = self.attempt, SILENT_SPAN
        if attempt is SILENT_SPAN:
            return
        verdict = Verdict.model_validate(update["verdict"])
        attempt.tell(verdict=verdict.action)
        shows_words = self.telemetry.shows_content or not self.is_planned
        for finding in verdict.findings:
            name = finding.criterion if shows_words else finding.kind
            attempt.mark("finding", evaluation=name, evaluation_label=name_result(finding))
        if verdict.reason:
            attempt.show("reason", verdict.reason)
        if verdict.error is not None:
            attempt.fail(verdict.error)
        attempt.end()

    @contextmanager
    def promotion(self, state: StepState) -> Iterator[OpenSpan]:
        """Open a promotion for as long as a block."""
        facts: Facts = {"worker": state["worker"], "attempt": state["attempt"]}
        with within(self._open("promotion", facts=facts)) as span:
            yield span

    def settle(self, outcome: StepOutcome) -> None:
        """Say how the step has settled, or that it waits."""
        usage = outcome.usage
        self.step.tell(
            status=outcome.status,
            attempts=outcome.attempts,
            fallback=outcome.fallback,
            worker=outcome.worker,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            money=float(usage.money),
        )
        if outcome.reason:
            self.step.show("reason", outcome.reason)
        if outcome.status == "failed":
            self.step.fail("StepFailed")


@contextmanager
def watch_step(
    team: Team, step: Step, place: Place, *, waiting: StepOutcome | None
) -> Iterator[StepSpans]:
    """Open a step for as long as a block: from when it could start to when it has settled.

    Args:
        team: At work.
        step: As planned.
        place: Where it is.
        waiting: How it stands, if it waited for a person.
    """
    is_planned = not isinstance(team.spec.planner, TaskGraph)
    carried: Mapping[str, Plain] = (waiting.carry or {}) if waiting is not None else {}
    span = team.telemetry.open(
        "step",
        "" if is_planned else _shorten(step.id),
        links=[carried.get(SPAN)],
        facts={
            "thread": place.thread_id,
            "step": place.path,
            "worker": step.worker,
            "is_continued": True if waiting is not None else None,
        },
    )
    spans = StepSpans(
        telemetry=team.telemetry,
        thread=place.thread_id,
        path=place.path,
        is_planned=is_planned,
        step=span,
    )
    with within(span, pauses=(SuspendedError, GraphBubbleUp)):
        try:
            yield spans
        finally:
            spans.brief.end()
            spans.attempt.end()


def _shorten(step_id: StepId) -> str:
    return step_id[:80]


def tell_work(span: OpenSpan, envelope: Mapping[str, Plain]) -> None:
    """Say what came back from a worker."""
    error = envelope.get("error")
    if error is not None:
        span.fail(str(error["type"]))
        span.show("error", error["message"])
    else:
        span.show("output", envelope.get("value"))
