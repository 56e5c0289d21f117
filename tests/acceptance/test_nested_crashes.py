"""I5, I6, I8, I9: a team within a team within a team, killed at its durable writes, by the crash kit.

The kit watches the workers of the inner teams too: no inner step that had settled starts again, and
between the promotion within and the acceptance above nothing is lost or done twice.
"""

from dataclasses import replace

import pytest

from interlock.testing import CrashPlan, crash_test

TEAMS = "tests.acceptance.nested_crash_teams"
WORKING = CrashPlan(goal="Refund", observe=f"{TEAMS}:list_refunds")
ASKING = replace(WORKING, answer=f"{TEAMS}:answer", sides=("after",))
AGAIN = replace(WORKING, sides=("after",), every=2)
PLANS = [("build_nested", WORKING), ("build_asking", ASKING), ("build_replanning", AGAIN)]


def test_promises_hold_through_three_teams() -> None:
    """Killed in the middle, the resumed run ends as the undisturbed one, with every effect once."""
    report = crash_test(f"{TEAMS}:build_asking", replace(ASKING, max_kills=2))
    report.require_clean()
    assert (report.status, report.kills) == ("completed", 2)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("team", "plan"), PLANS)
def test_promises_hold_at_every_write_of_three_teams(team: str, plan: CrashPlan) -> None:
    """The same at every durable write, of all three teams."""
    report = crash_test(f"{TEAMS}:{team}", plan)
    report.require_clean()
    # Writes that meet are one commit, so that another life may have a few less.
    assert report.kills >= 0.9 * len(report.cases) > 0
