"""The order of work: topological, and by the longest remaining path."""

from collections.abc import Mapping
from datetime import timedelta
from graphlib import CycleError

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.contracts.ids import StepId
from interlock.contracts.plan_order import (
    derive_issue_order,
    derive_remaining_seconds,
    derive_topological_order,
)
from tests.integration.teams import build_step

Steps = Mapping[StepId, il.Step]


def build_steps(*rows: tuple[str, float, str]) -> Steps:
    """Return steps of (id, seconds, needed ids)."""
    steps = [
        build_step(name, "w", needs=needs.split(), estimate=timedelta(seconds=seconds))
        for name, seconds, needs in rows
    ]
    return {step.id: step for step in steps}


@st.composite
def draw_steps(draw: st.DrawFn) -> Steps:
    """Return an acyclic plan of up to eight steps in any order."""
    count = draw(st.integers(1, 8))
    names = draw(st.permutations([f"s{number}" for number in range(count)]))
    rows = []
    for index, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        rows.append((name, float(draw(st.integers(0, 5))), " ".join(needs)))
    return build_steps(*draw(st.permutations(rows)))


def walk_longest(steps: Steps, start: StepId) -> float:
    """Return the longest path from a step's start to the plan's end, by walking every path."""
    estimate = steps[start].estimate
    assert estimate is not None
    after = [step.id for step in steps.values() if start in {need.step for need in step.needs}]
    return estimate.total_seconds() + max((walk_longest(steps, s) for s in after), default=0.0)


def is_topological(order: list[StepId], steps: Steps) -> bool:
    """Return whether every step stands behind all that it needs."""
    place = {step_id: index for index, step_id in enumerate(order)}
    return all(place[need.step] < place[step.id] for step in steps.values() for need in step.needs)


@given(draw_steps())
def test_needed_steps_come_first(steps: Steps) -> None:
    """The order holds every step once, behind all that it needs."""
    order = list(derive_topological_order(steps))
    assert sorted(order) == sorted(steps)
    assert is_topological(order, steps)


@given(draw_steps())
def test_the_priority_is_the_longest_remaining_path(steps: Steps) -> None:
    """It equals the longest of all paths, each of them walked."""
    assert derive_remaining_seconds(steps) == {
        step_id: walk_longest(steps, step_id) for step_id in steps
    }


@given(draw_steps(), st.none() | st.integers(1, 4))
def test_the_issue_order_is_topological_and_always_the_same(
    steps: Steps, slots: int | None
) -> None:
    """A resumed dispatch issues the same calls in the same order."""
    order = list(derive_issue_order(steps, slots=slots))
    assert sorted(order) == sorted(steps)
    assert is_topological(order, steps)
    assert list(derive_issue_order(dict(steps), slots=slots)) == order


@given(draw_steps())
def test_with_one_slot_the_longest_remaining_path_goes_first(steps: Steps) -> None:
    """Of all that could start, the step with the longest way to go starts; ties go by plan."""
    remaining = {step_id: walk_longest(steps, step_id) for step_id in steps}
    place = {step_id: index for index, step_id in enumerate(steps)}
    expected: list[StepId] = []
    while len(expected) < len(steps):
        ready = [
            step.id
            for step in steps.values()
            if step.id not in expected and all(need.step in expected for need in step.needs)
        ]
        expected.append(min(ready, key=lambda s: (-remaining[s], place[s])))
    assert list(derive_issue_order(steps, slots=1)) == expected


def test_slots_are_kept_busy_by_what_becomes_ready() -> None:
    """Two slots: the long chain first, then whatever is ready when a slot comes free."""
    steps = build_steps(
        ("short", 1, ""), ("long", 4, ""), ("after_long", 4, "long"), ("other", 2, "short")
    )
    assert derive_remaining_seconds(steps) == {
        "short": 3,
        "long": 8,
        "after_long": 4,
        "other": 2,
    }
    order = ["long", "short", "other", "after_long"]
    assert list(derive_issue_order(steps, slots=2)) == order


def test_what_has_settled_counts_as_done() -> None:
    """Of a plan that is half done, needs outside the rest do not hold a step up."""
    steps = build_steps(("a", 1, ""), ("b", 1, "a"), ("c", 1, "b gone"))
    rest = {step_id: step for step_id, step in steps.items() if step_id != "a"}
    assert list(derive_topological_order(rest)) == ["b", "c"]
    assert list(derive_issue_order(rest, slots=None)) == ["b", "c"]
    assert derive_remaining_seconds(rest) == {"b": 2, "c": 1}


def test_a_cycle_has_no_order() -> None:
    """It is refused, not looped over."""
    with pytest.raises(CycleError):
        derive_topological_order(build_steps(("a", 1, "b"), ("b", 1, "a")))


def test_a_thousand_step_chain_is_ordered_without_recursion() -> None:
    """Plans of any length are ordered; each step adds its own part of the path."""
    count = 3000
    steps = build_steps(*((f"s{n}", 1, f"s{n - 1}" if n else "") for n in range(count)))
    assert derive_remaining_seconds(steps)[StepId("s0")] == count
    assert list(derive_issue_order(steps, slots=4)) == [f"s{n}" for n in range(count)]
