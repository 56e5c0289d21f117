"""The public crash kit: it catches a team that breaks a promise, and passes one that keeps them."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import pytest

from interlock.contracts.errors import ConfigurationError
from interlock.testing import CrashPlan, CrashTestError, crash_kit, crash_test
from interlock.testing.crash_zygote import CrashKitError, Zygote
from tests.postgres.postgres_server import PostgresServer

TEAMS = "tests.acceptance.crash_teams"
BROKEN = "tests.acceptance.broken_products"
PLAN = CrashPlan(goal="Refund", observe=f"{TEAMS}:list_refunds", sides=("before",))


@pytest.fixture(scope="module", autouse=True)
def zygote() -> Iterator[None]:
    """Let all tests here share the process that has imported everything: it forks for each life."""
    with Zygote() as shared, pytest.MonkeyPatch.context() as patch:
        patch.setattr(crash_kit, "Zygote", lambda: nullcontext(shared))
        yield


def test_an_effect_that_happens_twice_is_caught() -> None:
    """A tool without a guard is run again after a kill: the report says where and what."""
    report = crash_test(f"{TEAMS}:build_unguarded", replace(PLAN, every=5))
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


def test_an_effect_that_nobody_can_look_for_is_asked_about() -> None:
    """Killed while such an effect is made, the run waits for a person: counted apart, no breach."""
    report = crash_test(f"{TEAMS}:build_unseen", replace(PLAN, every=5, sides=("after",)))
    report.require_clean()
    asked = [case for case in report.cases if case.asked]
    assert 0 < len(asked) < report.kills
    assert f"{len(asked)} times a person was asked" in str(report)


def test_outputs_that_change_are_told() -> None:
    """I6 is about the final state: another output is a broken promise."""
    plan = CrashPlan(goal="Refund", max_kills=1, sides=("before",))
    (case,) = crash_test(f"{TEAMS}:build_moody", plan).cases
    assert [problem[:11] for problem in case.problems] == ["I6: outputs"]


def test_a_team_that_cannot_be_run_is_told_apart() -> None:
    """What a life said before it ended by itself stands in the error."""
    with pytest.raises(CrashKitError, match="no shop here"):
        crash_test(f"{TEAMS}:build_broken", "Refund")


AT_THE_START = CrashPlan(goal="Refund", max_kills=1, sides=("after",))
IN_THE_ATTEMPT = CrashPlan(goal="Refund", every=16, sides=("after",))
UNRECORDED = "I8: attempt 1 of step 'refund' had started, and its brief is not in the journal"
AGAIN = "had settled, and started again"
BREACHES = [
    ("build_wavering", AT_THE_START, ["I5: effects"]),
    ("build_hasty", AT_THE_START, ["I6: steps"]),
    ("build_sulking", AT_THE_START, ["I6: status", "I6: outputs", "I6: gaps", "I6: steps"]),
    ("build_forgetful", IN_THE_ATTEMPT, [f"I6: step 'first' {AGAIN}"]),
    ("build_late", IN_THE_ATTEMPT, [UNRECORDED]),
    ("build_silent", AT_THE_START, [UNRECORDED]),
    ("build_repeating", IN_THE_ATTEMPT, ["I8: brief of attempt 1 of step 'refund' stands"]),
    (
        "build_rewriting",
        AT_THE_START,
        ["I9: the run was completed, and after another resume failed"],
    ),
    ("build_restless", AT_THE_START, ["I9: a worker started after the run had ended"]),
    ("build_spendthrift", IN_THE_ATTEMPT, ["I11: attempts: 9 were used, and the budget is 8"]),
]
KEPT_APART = {"build_spendthrift": ("I6: gaps", "I6: steps")}
"""What must differ as well: an attempt too many is told of as a step's, too."""


@pytest.mark.parametrize("bounds", [{"every": 0}, {"max_kills": -1}])
def test_a_plan_that_is_none_is_refused(bounds: dict[str, int]) -> None:
    """Nothing is run by a plan that says how often to kill in no possible way."""
    with pytest.raises(ConfigurationError, match="Give every at least 1, and max_kills"):
        crash_test(f"{TEAMS}:build_guarded", replace(PLAN, **bounds))


@pytest.mark.parametrize(("team", "plan", "breaches"), BREACHES)
def test_a_broken_promise_is_told_by_its_number(
    team: str, plan: CrashPlan, breaches: list[str]
) -> None:
    """A product that breaks one promise: the report says that one, and no other."""
    report = crash_test(f"{BROKEN}:{team}", plan)
    assert report.kills >= 1
    found = {problem for case in report.cases for problem in case.problems}
    beside = KEPT_APART.get(team, ())
    for breach in breaches:
        assert any(problem.startswith(breach) for problem in found), found
    assert all(problem.startswith((*breaches, *beside)) for problem in found), found


def test_a_promise_that_breaks_without_a_kill_is_told() -> None:
    """The uninterrupted run is checked by itself; an ended run that works on is told in both ways."""
    plan = CrashPlan(goal="Refund", max_kills=0)
    assert crash_test(f"{BROKEN}:build_silent", plan).problems == (UNRECORDED,)
    (problem,) = crash_test(f"{BROKEN}:build_restless", plan).problems
    assert problem == "I9: a worker started after the run had ended"
    (problem,) = crash_test(f"{BROKEN}:build_talkative", plan).problems
    assert problem == "I9: 1 handoffs were recorded after the run had ended"


def test_the_kit_works_on_postgresql(postgres: PostgresServer) -> None:
    """On a database that is named, with a thread a kill, it passes and catches the same."""
    schema = postgres.name_schema()
    url = postgres.build_url(schema)
    guarded = replace(PLAN, storage=url, max_kills=2)
    crash_test(f"{TEAMS}:build_guarded", guarded).require_clean()
    late = replace(IN_THE_ATTEMPT, storage=url)
    found = [p for case in crash_test(f"{BROKEN}:build_late", late).cases for p in case.problems]
    postgres.drop_schema(schema)
    assert found == [UNRECORDED]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_write_on_both_sides() -> None:
    """The guarded team, killed before and after every write."""
    report = crash_test(f"{TEAMS}:build_guarded", replace(PLAN, sides=("before", "after")))
    report.require_clean()
    assert report.kills >= report.commits
    plan = CrashPlan(goal="Refund", compare_outputs=False)
    crash_test(f"{TEAMS}:build_moody", plan).require_clean()
