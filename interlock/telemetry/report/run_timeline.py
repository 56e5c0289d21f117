"""The timeline of one run: which step was in which stage when. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from interlock.contracts.blame import ReviewedOutput, SettledStep
from interlock.telemetry.report.charts import Row, draw_timeline
from interlock.telemetry.report.material import RunMaterial
from interlock.telemetry.report.words import show_span, show_text

MOST_STEPS: Final = 1500
"""As many have a line of their own; five pixels each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A run's timeline.

    Attributes:
        svg: The chart; None where nothing has times.
        left_out: How many steps, the last to begin, are not on it.
    """

    svg: str | None
    left_out: int


def build_timeline(material: RunMaterial, *, most: int = MOST_STEPS) -> Timeline:
    """Return the timeline, the steps in the order in which they began."""
    rows = [row for row in list_bars(material) if row["to"] > row["from"]]
    first: dict[str, float] = {}
    for row in rows:
        first[row["step"]] = min(first.get(row["step"], row["from"]), row["from"])
    order = sorted(first, key=lambda name: (first[name], name))
    shown = set(order[:most])
    if not rows:
        return Timeline(svg=None, left_out=0)
    svg = draw_timeline([row for row in rows if row["step"] in shown], order=order[:most])
    return Timeline(svg=svg, left_out=len(order) - len(shown))


def list_bars(material: RunMaterial) -> Iterator[Row]:
    """Go through the stages of all attempts, and what was open within and beside them.

    What is drawn later covers what was drawn before: calls of models and tools, the work they are
    part of.
    """
    start = material.run.accepted_at
    yield from _list_attempts(material, start)
    yield from _list_tools(material, start)
    yield from _list_models(material, start)
    for question in material.lineage.questions:
        ended = question.answered_at or max(material.now, question.asked_at)
        bar = _Bars(str(question.step_id), start, "a person is asked")
        yield bar.build("person", question.asked_at, ended)


def _list_attempts(material: RunMaterial, start: datetime) -> Iterator[Row]:
    settled = _index_settled(material)
    for output in material.lineage.outputs:
        if output.turn_at is None or output.started_at is None:
            continue  # a person's decision on an earlier output: no attempt
        bars = _Bars(str(output.step_id), start, f"attempt {output.attempt}")
        queued = output.turn_at - timedelta(microseconds=output.queue_us)
        returned = output.started_at + timedelta(microseconds=output.work_us)
        reviewed = returned + timedelta(microseconds=output.review_us)
        yield bars.build("queue", queued, output.turn_at)
        yield bars.build("brief", output.turn_at, output.started_at)
        yield bars.build("work", output.started_at, returned)
        yield bars.build("review", returned, reviewed)
        row = settled.get((output.step_id, output.superstep))
        if row is not None and _is_last(output, row) and row.settled_at is not None:
            yield bars.build("promotion", reviewed, row.settled_at)


def _index_settled(material: RunMaterial) -> Mapping[tuple[str, str], SettledStep]:
    return {
        (outcome.step_id, outcome.superstep): outcome
        for outcome in material.lineage.outcomes
        if outcome.status != "waiting"
    }


def _is_last(output: ReviewedOutput, row: SettledStep) -> bool:
    return row.attempts == output.attempt


def _list_tools(material: RunMaterial, start: datetime) -> Iterator[Row]:
    for call in material.lineage.tools:
        bar = _Bars(str(call.step_id), start, f"attempt {call.attempt}, {call.tool}")
        yield bar.build("tool", call.started_at, call.ended_at)


def _list_models(material: RunMaterial, start: datetime) -> Iterator[Row]:
    for call in material.calls:
        caller = call.record.caller
        if call.end is not None and caller.role == "worker" and call.record.calls:
            bar = _Bars(str(caller.path), start, f"attempt {caller.attempt}, {call.record.model}")
            yield bar.build("model", call.record.started_at, call.end.ended_at)


@dataclass(frozen=True, slots=True)
class _Bars:
    """Makes bars of one step, about one thing."""

    step: str
    start: datetime
    what: str

    def build(self, stage: str, begun: datetime, ended: datetime) -> Row:
        """Return a bar."""
        took = show_span(max(timedelta(0), ended - begun))
        return {
            "step": show_text(self.step),
            "stage": stage,
            "from": (begun - self.start).total_seconds(),
            "to": (ended - self.start).total_seconds(),
            "what": show_text(f"{self.step}, {self.what}, {stage} {took}"),
        }
