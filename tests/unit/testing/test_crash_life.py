"""The crash kit's look at a journal: which steps no later life may start again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import HandoffId, PayloadHash, StepId, ThreadId
from interlock.testing.crash_life import list_settled


def note(kind: Any, step: str, decided: Any) -> Handoff:
    """Return a handoff of a step: an output with the supervisor's action, or a settlement."""
    is_output = kind == "output"
    return Handoff(
        id=HandoffId("h"),
        thread_id=ThreadId("t"),
        superstep="s",
        kind=kind,
        sender="supervisor",
        receiver="supervisor",
        step_id=StepId(step),
        payload_hash=PayloadHash("p"),
        verdict=Verdict(action=decided) if is_output else None,
        status=None if is_output else decided,
        ended_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("journal", "settled"),
    [
        ([("output", "a", "accept")], {"a"}),
        ([("output", "a", "retry")], set()),
        ([("output", "a", "fallback"), ("settlement", "a", "skipped")], {"a"}),
        ([("settlement", "a", "waiting"), ("settlement", "b", "blocked")], set()),
        ([("output", "a/x", "accept"), ("output", "ab", "accept")], {"a/x", "ab"}),
        (
            [("output", "a/x", "accept"), ("output", "ab", "accept"), ("output", "a", "retry")],
            {"ab"},
        ),
    ],
)
def test_i06_accepted_steps_have_settled_too(
    journal: list[tuple[str, str, str]], settled: set[str]
) -> None:
    """Also those within a team, until the attempt of the step above is refused."""
    assert list_settled([note(*entry) for entry in journal]) == settled
