"""Whole-graph validation: each problem, its words, and all of them at once."""

import textwrap
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

import interlock as il
from interlock.contracts.errors import PlanProblem
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plan_validation import draw_ring, find_plan_problems, validate_task_graph
from interlock.criteria import CriteriaEngine
from tests.integration.teams import build_plan, build_step, build_workers, give

TEAM = {
    worker.name: worker
    for worker in build_workers({"read": give(1), "write": give(2), "review": give(3)})
}
ENGINE = CriteriaEngine({"polite": lambda output, brief: True})


def find(*steps: il.Step, context: Sequence[str] = ()) -> Sequence[PlanProblem]:
    """Return the problems of a plan of these steps."""
    return find_plan_problems(build_plan(*steps), TEAM, inspector=ENGINE, context_keys=context)


def find_one(*steps: il.Step, context: Sequence[str] = ()) -> PlanProblem:
    """Return the only problem of a plan of these steps."""
    (problem,) = find(*steps, context=context)
    return problem


def test_a_good_plan_has_no_problems() -> None:
    """Every feature of a step, used rightly, passes."""
    steps = (
        build_step("order", "read", publishes={"number": "output.number"}),
        build_step(
            "draft",
            "write",
            needs=["order", il.Need(step="order_two", accept_degraded=True)],
            inputs={"status": "order.status"},
            arguments={"tone": "kind"},
            context=["number", "customer"],
            criteria=[
                il.expr("size(output.text) < 9 && inputs.status != context.customer"),
                il.check("polite"),
                il.schema({"type": "object"}),
            ],
            output_schema={"type": "object", "properties": {"text": {"type": "string"}}},
            approval="inputs.status == 'paid' || has(context.customer)",
            fallback=[
                il.use_worker("review"),
                il.ask_person(),
                il.use_value({"text": "sorry"}),
                il.skip(gap="no draft"),
                il.abandon(),
            ],
        ),
        build_step("order_two", "read"),
    )
    assert find(*steps, context=["customer"]) == ()
    validate_task_graph(build_plan(*steps), TEAM, inspector=ENGINE, context_keys=["customer"])


def test_an_empty_plan_is_a_problem() -> None:
    """A plan without steps reaches nothing."""
    assert find_one().code == "no_steps"


def test_a_repeated_step_id_is_a_problem() -> None:
    """Two steps of one id could not be told apart."""
    problem = find_one(build_step("a", "read"), build_step("a", "write"))
    assert (problem.code, problem.step_id) == ("duplicate_step", "a")
    assert "'a'" in problem.message


@pytest.mark.parametrize(
    ("worker", "advice"),
    [
        ("writ", "Did you mean 'write'?"),
        ("reviewer", "Did you mean 'review'?"),
        ("xyz", "Known: read, review, write."),
    ],
)
def test_an_unknown_worker_is_named_with_what_comes_near(worker: str, advice: str) -> None:
    """The message holds the nearest known names, or all of them."""
    problem = find_one(build_step("a", worker))
    assert (problem.code, problem.step_id) == ("unknown_worker", "a")
    assert problem.message.startswith(f"Step 'a' is given to worker {worker!r}")
    assert problem.message.endswith(advice)


def test_an_unknown_need_is_named_with_what_comes_near() -> None:
    """What the house style shows as an example is what a user reads."""
    problem = find_one(build_step("write"), build_step("send", "write", needs=["writ"]))
    assert problem == PlanProblem(
        "unknown_dependency",
        "Step 'send' depends on 'writ', which the task graph does not have. "
        "Did you mean 'write'? Add the step or correct the id.",
        "send",
    )


def test_a_need_named_twice_is_a_problem() -> None:
    """One need cannot both accept and refuse a degraded result."""
    problem = find_one(
        build_step("a", "read"),
        build_step("b", "read", needs=["a", il.Need(step="a", accept_degraded=True)]),
    )
    assert (problem.code, problem.step_id) == ("duplicate_need", "b")


def test_a_cycle_is_drawn_as_a_ring() -> None:
    """Each name needs the next, and the last needs the first."""
    problem = find_one(
        build_step("plan", "read", needs=["write"]),
        build_step("write", needs=["read"]),
        build_step("read", needs=["plan"]),
    )
    assert problem.code == "cycle"
    drawn = textwrap.dedent(
        """\
        These steps need each other in a ring, so none could start:
            plan -> write -> read
            ^                   |
            +-------------------+
            Remove one of these needs."""
    )
    assert problem.message == drawn


def test_a_step_that_needs_itself_is_a_ring() -> None:
    """The smallest cycle is a cycle."""
    problem = find_one(build_step("write", needs=["write"]))
    assert problem.code == "cycle"
    assert "    write\n    ^   |\n    +---+\n" in problem.message


def test_every_independent_cycle_is_found() -> None:
    """Two rings are two problems, and a ring's neighbours are none."""
    problems = find(
        build_step("a", "read", needs=["b"]),
        build_step("b", "read", needs=["a"]),
        build_step("c", "read", needs=["d", "a"]),
        build_step("d", "read", needs=["c"]),
        build_step("e", "read", needs=["d"]),
    )
    assert [problem.code for problem in problems] == ["cycle", "cycle"]
    assert {problem.step_id for problem in problems} == {"a", "c"}


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["first", "x", "longest_of_all"]])
def test_a_ring_is_as_wide_as_its_names(names: list[str]) -> None:
    """The three lines of a ring end in the same column; `a` alone is the one exception."""
    top, middle, bottom = draw_ring(names).split("\n")
    assert top == "    " + " -> ".join(names)
    assert len(middle) == len(bottom) == max(len(top), 6)


def test_an_input_from_a_step_that_is_not_needed_is_a_problem() -> None:
    """A step sees only what it needs."""
    problem = find_one(
        build_step("order", "read"),
        build_step("mail", "read"),
        build_step("draft", "write", needs=["order"], inputs={"x": "mail.status"}),
    )
    assert (problem.code, problem.step_id) == ("unknown_input", "draft")
    assert "Known: order." in problem.message


def test_a_name_both_read_and_given_is_a_problem() -> None:
    """Which of the two the worker would see is nobody's guess."""
    problem = find_one(
        build_step("order", "read"),
        build_step("b", "read", needs=["order"], inputs={"n": "order"}, arguments={"n": 1}),
    )
    assert problem.code == "duplicate_input"


@pytest.mark.parametrize(
    ("criterion", "words"),
    [
        (il.expr("output.text ="), "does not compile"),
        (il.expr("outputs.text == 'a'"), "'outputs'"),
        (il.expr("output.all(x, x < limit)"), "'limit'"),
        (il.expr("output.exists(x, output.map(y, y + z).size() > x)"), "'z'"),
        (il.expr("len(output) > 1"), "'len'"),
        (il.schema({"type": "strin"}), "$.type"),
        (il.schema({"properties": {"a": {"$ref": "#/$defs/No"}}}), "'#/$defs/No'"),
        (il.check("polit"), "Did you mean 'polite'? Pass it in checks=."),
        (il.rubric("Is kind"), "no judge"),
    ],
)
def test_a_criterion_that_can_never_be_decided_is_a_problem(criterion: Any, words: str) -> None:
    """It is refused before the first call, with the reason."""
    problem = find_one(build_step("a", "read", criteria=[il.expr("true"), criterion]))
    assert (problem.code, problem.step_id) == ("bad_criterion", "a")
    assert words in problem.message


def test_an_output_schema_that_is_none_is_a_problem() -> None:
    """The step's own schema is looked at like any criterion."""
    problem = find_one(build_step("a", "read", output_schema={"required": "text"}))
    assert (problem.code, problem.step_id) == ("bad_schema", "a")


def test_an_approval_condition_knows_no_output() -> None:
    """It is decided before the worker starts, so `output` does not exist there."""
    problem = find_one(build_step("a", "read", approval="output.cents > 100"))
    assert (problem.code, problem.step_id) == ("bad_approval", "a")
    assert "Use inputs, context." in problem.message


def test_a_fallback_that_comes_back_cannot_end() -> None:
    """A worker is tried once in a chain; the way back is drawn."""
    problem = find_one(
        build_step("a", "read", fallback=[il.use_worker("write"), il.use_worker("read")])
    )
    assert (problem.code, problem.step_id) == ("endless_fallback", "a")
    assert "    read -> write\n    ^           |\n" in problem.message


def test_a_fallback_to_an_unknown_worker_is_a_problem() -> None:
    """Fallback workers are known before anything fails."""
    problem = find_one(build_step("a", "read", fallback=[il.use_worker("revew")]))
    assert problem.code == "unknown_worker"
    assert "Did you mean 'review'?" in problem.message


def test_a_fallback_value_must_fit_the_schema() -> None:
    """What the step's dependents count on holds for the second best, too."""
    schema = {"type": "object", "properties": {"cents": {"type": "integer"}}}
    problem = find_one(
        build_step("a", "read", output_schema=schema, fallback=[il.use_value({"cents": "none"})])
    )
    assert problem.code == "bad_fallback_value"
    assert "output.cents" in problem.message


def test_two_steps_that_publish_one_key_conflict() -> None:
    """Both steps are named; the first keeps the key."""
    problem = find_one(
        build_step("a", "read", publishes={"total": "output"}),
        build_step("b", "read", needs=["a"], publishes={"total": "output"}),
    )
    assert (problem.code, problem.step_id) == ("conflicting_publish", "b")
    assert "'a' and 'b'" in problem.message


def test_a_context_key_must_be_there_before_the_step() -> None:
    """A step that runs beside the publisher might start first."""
    publisher = build_step("a", "read", publishes={"total": "output"})
    reader = build_step("b", "read", context=["total"])
    assert find_one(publisher, reader).code == "unknown_context_key"
    late = reader.model_copy(update={"needs": (il.Need(step="mid"),)})
    between = build_step("mid", "read", needs=["a"])
    assert find(publisher, between, late) == ()
    assert find(reader, context=["total"]) == ()
    assert "Step 'a' publishes it" in find_one(publisher, reader).message
    assert "Did you mean 'totals'?" in find_one(reader, context=["totals"]).message


@pytest.mark.parametrize("path", ["text", "output.texd", "output.text.first"])
def test_what_is_published_must_lie_in_the_output(path: str) -> None:
    """A path that leads nowhere would degrade the run only after all the work."""
    schema = {"properties": {"text": {"type": "string"}}, "additionalProperties": False}
    step = build_step("a", "read", output_schema=schema, publishes={"reply": path})
    assert find_one(step).code == "unknown_publish_path"
    fine = step.model_copy(update={"publishes": {"reply": "output.text", "all": "output"}})
    assert find(fine) == ()


def test_all_problems_are_told_at_once_in_plan_order() -> None:
    """One look at the error is enough to correct the whole plan."""
    graph = build_plan(
        build_step("a", "reed", criteria=[il.expr("output.")]),
        build_step("b", "write", needs=["aa"], inputs={"x": "zz.y"}),
        build_step("c", "read", needs=["d"], fallback=[il.use_worker("read")]),
        build_step("d", "read", needs=["c"], context=["nothing"]),
        build_step("d", "read"),
    )
    with pytest.raises(il.PlanError) as caught:
        validate_task_graph(graph, TEAM, inspector=ENGINE)
    found = [(problem.code, problem.step_id) for problem in caught.value.problems]
    assert found[0] == ("duplicate_step", "d")
    assert found[1:5] == [
        ("unknown_worker", "a"),
        ("bad_criterion", "a"),
        ("unknown_dependency", "b"),
        ("unknown_input", "b"),
    ]
    assert ("endless_fallback", "c") in found
    assert ("unknown_context_key", "d") in found
    lines = str(caught.value).splitlines()
    assert lines[0] == f"The task graph has {len(found)} problems:"
    assert sum(line.startswith("  - ") for line in lines) == len(found)


def test_names_are_suggested_nearest_first_and_never_in_hundreds() -> None:
    """A close name is a question; without one the first dozen known names are listed."""
    assert suggest_names("wirter", ["reader", "writer"]).startswith("Did you mean 'writer'")
    assert suggest_names("zzz", []) == "Known: none."
    many = suggest_names("zzz", [f"w{number:03}" for number in range(100)])
    assert many == f"Known: {', '.join(f'w{number:03}' for number in range(12))}, ...."


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"arguments": {"city": "Rome"}}, None),
        ({"arguments": {"city": "Rome", "days": 3}}, None),
        ({"arguments": {"days": 3}}, "the input 'city', which it requires. Given: days"),
        ({"arguments": {"city": "Rome", "day": 3}}, "the input 'day', which it does not take"),
        ({"needs": ["city"]}, None),
        (
            {"needs": ["city"], "inputs": {"town": "city.name"}},
            "the input 'city', which it requires",
        ),
    ],
)
def test_a_worker_that_says_what_it_wants_is_given_that(step: Any, words: str | None) -> None:
    """Names that a worker requires and the plan leaves out, and names that it does not take."""

    class Trip(BaseModel):
        model_config = ConfigDict(extra="forbid")

        city: str
        days: int = 1

    guide = il.Worker(name="guide", agent=give(1), input=Trip)
    plan = build_plan(build_step("city", "read"), build_step("trip", "guide", **step))
    problems = find_plan_problems(plan, {**TEAM, "guide": guide}, inspector=ENGINE)
    wanted = [problem.message for problem in problems if problem.code != "unknown_input"]
    if words is None:
        assert wanted == []
    else:
        assert words in wanted[0]
