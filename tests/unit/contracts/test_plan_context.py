"""What a plan may do with the shared context: declared facts, rules, and no race."""

from typing import Any

import pytest

import interlock as il
from interlock.contracts.plan_validation import find_plan_problems
from interlock.criteria import CriteriaEngine
from tests.integration.teams import build_plan, build_step, build_workers, give

TEAM: Any = {worker.name: worker for worker in build_workers({"w": give(1)})}


def find(*steps: il.Step, keys: Any = (), **shared: Any) -> list[tuple[str, str | None]]:
    """Return the problems of a plan under a declared context: codes and steps."""
    problems = find_plan_problems(
        build_plan(*steps),
        TEAM,
        inspector=CriteriaEngine({}),
        context_keys=keys,
        shared=il.SharedContext(**shared),
    )
    return [(problem.code, problem.step_id) for problem in problems]


def publish(name: str, key: str = "n", **fields: Any) -> il.Step:
    """Return a step that publishes a key."""
    return build_step(name, "w", publishes={key: "output"}, **fields)


def read(name: str, key: str = "n", **fields: Any) -> il.Step:
    """Return a step that reads a key."""
    return build_step(name, "w", context=[key], **fields)


@pytest.mark.parametrize("rule", ["refuse", "first", "last", "merge"])
def test_two_steps_publish_one_fact_only_under_a_rule(rule: Any) -> None:
    """Which of them stands is said by the plan's owner, not by chance."""
    fact = il.Fact(name="n", on_conflict=rule, merge="m" if rule == "merge" else None)
    found = find(publish("a"), publish("b"), facts=[fact], merges={"m": lambda a, b: a})
    assert found == ([("conflicting_publish", "b")] if rule == "refuse" else [])


@pytest.mark.parametrize(
    ("step", "problems"),
    [
        (read("r", needs=["a"]), []),
        (read("r"), [("context_race", "r")]),
        (read("r", needs=["other"]), [("context_race", "r")]),
    ],
)
def test_a_reader_is_ordered_against_who_publishes(step: il.Step, problems: Any) -> None:
    """A seeded fact that is published beside its reader would be one value or the other."""
    assert find(publish("a"), build_step("other", "w"), step, keys=["n"]) == problems


def test_a_reader_before_its_publisher_reads_what_was_there() -> None:
    """The publisher waits for it: there is no race."""
    assert find(read("r"), publish("a", needs=["r"]), keys=["n"]) == []
    assert find(read("r"), publish("a", needs=["r"])) == [("unknown_context_key", "r")]


def test_every_publisher_counts_for_a_race() -> None:
    """One that is ordered does not excuse another that is not."""
    fact = il.Fact(name="n", on_conflict="last")
    steps = (publish("a"), publish("b"), read("r", needs=["a"]))
    assert find(*steps, facts=[fact]) == [("context_race", "r")]


def test_only_declared_facts_are_used() -> None:
    """A misspelt key is told with what comes near."""
    steps = (publish("a", "totl"), read("r", "totals", needs=["a"]))
    assert find(*steps, facts=[il.Fact(name="total")]) == [
        ("unknown_fact", "a"),
        ("unknown_fact", "r"),
    ]
    problems = find_plan_problems(
        build_plan(*steps),
        TEAM,
        inspector=CriteriaEngine({}),
        shared=il.SharedContext(facts=[il.Fact(name="total")]),
    )
    assert problems[0].message == (
        "Step 'a' publishes the context key 'totl', which the team's context does not declare. Did "
        "you mean 'total'? Declare it: il.Fact(name='totl')."
    )


def test_a_fact_of_a_named_space_may_come_from_another_thread() -> None:
    """No step of this plan has to publish it."""
    fact = il.Fact(name="n", space="customer")
    assert find(read("r"), facts=[fact]) == []


def test_a_plan_with_a_ring_says_nothing_of_order() -> None:
    """Which step comes first is not known there; the ring itself is told."""
    steps = (publish("a", needs=["r"]), read("r", needs=["a"]))
    assert find(*steps) == [("cycle", "a")]


def test_a_wide_plan_is_checked_in_a_moment() -> None:
    """A thousand readers in a chain behind one publisher cost no quadratic walk."""
    steps = [publish("s0")]
    steps += [read(f"s{n}", needs=[f"s{n - 1}"]) for n in range(1, 1000)]
    assert find(*steps) == []


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"facts": [il.Fact(name="n"), il.Fact(name="n")]}, "declared twice"),
        ({"facts": [il.Fact(name="n", on_conflict="merge")]}, "does not say how"),
        ({"facts": [il.Fact(name="n", merge="m")]}, "its rule is 'refuse'"),
        (
            {"facts": [il.Fact(name="n", on_conflict="merge", merge="m")]},
            "not among the merge functions",
        ),
        ({"facts": [il.Fact(name="n", type={"type": "strin"})]}, "is not a JSON Schema"),
        ({"invariants": [il.expr("context.n <")]}, "does not compile"),
        ({"invariants": [il.expr("output.n < 1")]}, "uses 'output'"),
        (
            {"facts": [il.Fact(name="n")], "invariants": [il.expr("context.m < 1")]},
            "'m', which is not declared",
        ),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(context: Any, words: str) -> None:
    """Before anything is opened, in words that say what to change."""
    with pytest.raises(il.ConfigurationError, match=words):
        il.Orchestrator(
            workers=build_workers({"w": give(1)}),
            planner=build_plan(build_step("w")),
            context=il.SharedContext(**context),
            storage="memory://",
        )
