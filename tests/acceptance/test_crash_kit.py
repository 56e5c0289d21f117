"""The public crash kit: it catches a team that breaks a promise, and passes one that keeps them."""

import json
from dataclasses import replace

import pytest

from interlock.testing import CrashPlan, CrashTestError, crash_test
from interlock.testing.crash_zygote import CrashKitError

TEAMS = "tests.acceptance.crash_teams"
PLAN = CrashPlan(goal="Refund", observe=f"{TEAMS}:list_refunds", sides=("before",))


def test_an_effect_that_happens_twice_is_caught() -> None:
    """A tool without a guard is run again after a kill: the report says where and what."""
    report = crash_test(f"{TEAMS}:build_unguarded", replace(PLAN, every=3))
    assert (report.status, report.kills) == ("completed", len(report.cases))
    problems = [problem for case in report.cases for problem in case.problems]
    assert set(problems) == {
        'I5: outside there is ["17", "17", "18"], and after the uninterrupted run ["17", "18"]'
    }
    assert len(problems) < report.kills
    with pytest.raises(CrashTestError, match=r"killed before write .*: I5: outside"):
        report.require_clean()
    assert json.loads(json.dumps(report.dump()))["is_clean"] is False


def test_a_team_that_keeps_its_promises_passes() -> None:
    """The same effect behind a guard with a probe: killed all over the run, never twice."""
    report = crash_test(f"{TEAMS}:build_guarded", replace(PLAN, max_kills=4))
    report.require_clean()
    assert len(report.cases) == report.kills == 4
    assert not any(case.asked for case in report.cases)


def test_outputs_that_change_are_told() -> None:
    """I6 is about the final state: another output is a broken promise."""
    plan = CrashPlan(goal="Refund", max_kills=1, sides=("before",))
    (case,) = crash_test(f"{TEAMS}:build_moody", plan).cases
    assert [problem[:11] for problem in case.problems] == ["I6: outputs"]


def test_a_team_that_cannot_be_run_is_told_apart() -> None:
    """What a life said before it ended by itself stands in the error."""
    with pytest.raises(CrashKitError, match="no shop here"):
        crash_test(f"{TEAMS}:build_broken", "Refund")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_write_on_both_sides() -> None:
    """The guarded team, killed before and after every write."""
    report = crash_test(f"{TEAMS}:build_guarded", replace(PLAN, sides=("before", "after")))
    report.require_clean()
    assert report.kills >= report.commits
    plan = CrashPlan(goal="Refund", compare_outputs=False)
    crash_test(f"{TEAMS}:build_moody", plan).require_clean()
