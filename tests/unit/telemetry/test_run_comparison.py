"""Where two runs parted: causes are told from what follows."""

from typing import Any

from interlock.contracts.run_difference import RunTrace, StepTrace
from interlock.telemetry.comparing import compare_runs


def trace(path: str, *needs: str, **changes: Any) -> StepTrace:
    """Return a step that was accepted at its first attempt."""
    brief = {"inputs": changes.pop("inputs", {}), "context": changes.pop("context", {})}
    fields = {
        "declared": {"worker": "w", "publishes": changes.pop("publishes", {})},
        "worker": "w",
        "attempts": 1,
        "status": "accepted",
        "brief": brief,
        "brief_hash": str(brief),
        "output_hash": str(changes.get("output")),
        "verdict": "accept",
    }
    return StepTrace.model_validate({"path": path, "needs": needs, **fields, **changes})


def run(*steps: StepTrace, **changes: Any) -> RunTrace:
    """Return a run of these steps."""
    fields = {"thread_id": "t", "goal": "g", "status": "completed", "steps": steps}
    return RunTrace.model_validate({**fields, **changes})


def list_causes(one: RunTrace, other: RunTrace) -> list[tuple[str, str]]:
    """Return path and kind of the causes."""
    return [(found.path, found.kind) for found in compare_runs(one, other).causes]


def test_equal_runs_do_not_part() -> None:
    """Runs that differ in nothing have no difference."""
    found = compare_runs(run(trace("a"), trace("b", "a")), run(trace("a"), trace("b", "a")))
    assert (found.causes, found.followed, found.same) == ((), (), ("a", "b"))


def test_an_output_is_the_cause_and_inputs_follow() -> None:
    """With equal briefs the worker made the difference; whoever reads it follows."""
    one = run(trace("a", output=1), trace("b", "a", inputs={"a": 1}), trace("c"))
    other = run(trace("a", output=2), trace("b", "a", inputs={"a": 2}), trace("c"))
    found = compare_runs(one, other)
    assert [(step.path, step.kind) for step in found.causes] == [("a", "output")]
    assert [(step.path, step.kind, step.because) for step in found.followed] == [
        ("b", "upstream", ("a",))
    ]
    assert found.same == ("c",)


def test_feedback_and_notes_do_not_count_as_another_brief() -> None:
    """A step's own earlier attempts are no difference in what it was given."""
    brief = {"inputs": {}, "context": {}, "feedback": ["again"], "attempt": 2}
    other = trace("a", brief=brief, brief_hash="2", attempts=2, output=1)
    assert list_causes(run(trace("a", output=1)), run(other)) == [("a", "outcome")]


def test_another_fact_comes_from_who_publishes_it() -> None:
    """A context key that differs follows from the start, or from the step that published it."""
    one = run(
        trace("a", output=1, publishes={"k": "output"}), trace("b", context={"k": 1}), context={}
    )
    other = run(trace("a", output=2, publishes={"k": "output"}), trace("b", context={"k": 2}))
    assert list_causes(one, other) == [("a", "output")]
    found = compare_runs(
        run(trace("b", context={"k": 1}), context={"k": 1}),
        run(trace("b", context={"k": 2}), context={"k": 2}),
    )
    assert [(step.path, step.kind) for step in found.causes] == [("", "start")]
    assert [(step.path, step.because) for step in found.followed] == [("b", ("",))]


def test_plans_verdicts_and_unexplained_briefs_are_causes() -> None:
    """Each is told by its own kind."""
    failed = trace("a", output=1, verdict="retry", failed=("short",))
    assert list_causes(run(trace("a", output=1)), run(failed)) == [("a", "verdict")]
    assert list_causes(run(trace("a")), run(trace("a"), trace("b"))) == [("b", "plan")]
    assert list_causes(run(trace("a")), run(trace("a", declared={"worker": "v"}))) == [
        ("a", "plan")
    ]
    shown = (trace("a", inputs={"x": 1}), trace("a", inputs={"x": 2}))
    assert list_causes(run(shown[0]), run(shown[1])) == [("a", "brief")]


def test_a_step_that_never_started_follows_from_what_it_needs() -> None:
    """A blocked step is no cause where the step that failed is known."""
    failed = trace("a", status="failed", verdict="fail", output=2)
    blocked = trace(
        "b", "a", status="blocked", brief=None, brief_hash=None, attempts=0, verdict=None
    )
    found = compare_runs(run(trace("a", output=1), trace("b", "a")), run(failed, blocked))
    assert [step.path for step in found.causes] == ["a"]
    assert [step.path for step in found.followed] == ["b"]


def test_an_input_follows_from_the_step_that_it_reads_and_from_no_other() -> None:
    """Of two steps before it that differ, the one whose output it was shown is why, in teams too."""
    declared = {"worker": "w", "inputs": {"x": "b.total"}}
    for above in ("", "team/"):
        one, other = (
            run(
                trace(f"{above}a", output=n),
                trace(f"{above}b", output=n),
                trace(f"{above}c", f"{above}a", f"{above}b", inputs={"x": n}, declared=declared),
            )
            for n in (1, 2)
        )
        (followed,) = compare_runs(one, other).followed
        assert (followed.path, followed.because) == (f"{above}c", (f"{above}b",))


def test_more_attempts_at_an_equal_brief_follow_from_no_step_before() -> None:
    """What a step was shown is equal: that it failed once is its own, whatever was before it."""
    one = run(trace("a", output=1), trace("b", "a", output=1))
    other = run(trace("a", output=1, attempts=2), trace("b", "a", output=1, attempts=3))
    assert list_causes(one, other) == [("a", "outcome"), ("b", "outcome")]
