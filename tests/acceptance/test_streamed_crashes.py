"""Killed while its plan still streams in, a run goes on from what was said (I5, I6, I8)."""

import pytest

from interlock.testing import CrashPlan, crash_test

PLAN = CrashPlan(goal="Refund", observe="tests.acceptance.crash_teams:list_refunds")
TEAM = "tests.acceptance.streaming_teams:build_streaming"


@pytest.mark.parametrize(
    "kills", [6, pytest.param(None, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_a_streamed_plan_survives_a_kill_at_every_write(kills: int | None) -> None:
    """No step runs twice, no effect happens twice, and the whole plan is carried out."""
    plan = CrashPlan(goal=PLAN.goal, observe=PLAN.observe, max_kills=kills)
    report = crash_test(TEAM, plan)
    report.require_clean()
    assert report.status == "completed"
    assert (
        report.kills >= 0.9 * len(report.cases) >= 5
    )  # commits group differently from life to life
