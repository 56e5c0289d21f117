"""I5, I6, I8, I9: a run that is planned again and again, killed at its durable writes, by the crash kit."""

from dataclasses import replace

import pytest

from interlock.testing import CrashPlan, crash_test

TEAMS = "tests.acceptance.replanning_crash_teams"
PLAN = CrashPlan(goal="Refund", observe=f"{TEAMS}:list_refunds")
APPROVED = replace(PLAN, answer=f"{TEAMS}:answer")


def test_promises_hold_when_a_person_sees_each_version() -> None:
    """Killed amid planning again, the run ends as an undisturbed one, with each effect once."""
    report = crash_test(f"{TEAMS}:build_approved", replace(APPROVED, sides=("after",), max_kills=3))
    report.require_clean()
    assert (report.status, report.kills) == ("completed", 3)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("team", "plan"), [("build_mending", PLAN), ("build_approved", APPROVED)])
def test_promises_hold_at_every_write(team: str, plan: CrashPlan) -> None:
    """The same before and after every durable write: of proposals, answers, steps and versions."""
    report = crash_test(f"{TEAMS}:{team}", plan)
    report.require_clean()
    assert report.status == "completed"
    assert report.kills >= report.commits
