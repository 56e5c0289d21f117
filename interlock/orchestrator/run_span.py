"""A drive of a run, told to whoever watches it."""

from collections.abc import Iterator
from contextlib import contextmanager

from langgraph.errors import GraphDrained

from interlock.contracts.errors import DrainedError
from interlock.contracts.outcome import RunResult
from interlock.contracts.run_record import RunRecord
from interlock.nodes.run.team import Team
from interlock.telemetry.spans import OpenSpan, within


@contextmanager
def watch_run(team: Team, record: RunRecord, *, is_resumed: bool) -> Iterator[OpenSpan]:
    """Open a run's span for as long as a block; one that goes on is linked to the last before it."""
    span = team.telemetry.open(
        "run",
        team.spec.name,
        links=[record.trace_parent],
        facts={
            "thread": record.thread_id,
            "workflow": team.spec.name or None,
            "is_resumed": is_resumed,
        },
    )
    if team.telemetry.shows_content:
        span.show("goal", record.goal)
    with within(span, pauses=(GraphDrained, DrainedError), paused="drained"):
        yield span


def tell_result(span: OpenSpan, result: RunResult) -> None:
    """Say how a run stands."""
    usage = result.usage
    span.tell(
        status=result.status,
        steps=len(result.outcomes),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        money=float(usage.money),
    )
    if result.status == "failed":
        span.fail("RunFailed")
