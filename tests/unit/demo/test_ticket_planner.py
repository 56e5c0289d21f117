"""The task graph of a ticket: order, workers, criteria, and how a ticket is named."""

from typing import Any

import pytest

from interlock.contracts.plan import Step
from interlock.contracts.worker import Planner, PlanRequest
from interlock.criteria import evaluate_condition
from interlock.demo.ticket_planner import (
    REPORT_STEP,
    TicketPlanner,
    UnknownTicketError,
    plan_ticket,
)
from interlock.demo.tickets import Ticket, TicketAction, TicketFile

READ = ("get_order_details", {"order_id": "#1"})
WRITE = ("cancel_pending_order", {"order_id": "#1", "reason": "no longer needed"})
SUM = ("calculate", {"expression": "1 + 1"})
THOUGHT = ("think", {"thought": "hm"})
HAND_OVER = ("transfer_to_human_agents", {"summary": "s"})


def build_ticket(*calls: tuple[str, dict[str, Any]]) -> Ticket:
    """Return a ticket with these calls."""
    actions = tuple(TicketAction(name=name, kwargs=kwargs) for name, kwargs in calls)
    return Ticket(id="t-1", user_id="u", instruction="help", actions=actions)


def list_needs(ticket: Ticket) -> list[list[str]]:
    """Return the first three characters of what each call needs."""
    return [[need.step[:3] for need in step.needs] for step in plan_ticket(ticket).steps[:-1]]


def test_reads_run_in_parallel_between_writes_in_order() -> None:
    """A read waits for the write before it, a write for the reads before it."""
    ticket = build_ticket(READ, READ, WRITE, READ, READ, WRITE, WRITE, READ)
    assert list_needs(ticket) == [
        [],
        [],
        ["a01", "a02"],
        ["a03"],
        ["a03"],
        ["a04", "a05"],
        ["a06"],
        ["a07"],
    ]


def test_sums_and_thoughts_are_free_and_a_hand_over_is_last() -> None:
    """Calls without effect wait for nothing, save the one that ends the conversation."""
    ticket = build_ticket(WRITE, SUM, THOUGHT, READ, HAND_OVER)
    assert list_needs(ticket) == [[], [], [], ["a01"], ["a01", "a02", "a03", "a04"]]


def test_steps_name_worker_call_and_nothing_else() -> None:
    """Ids are readable, writes go to `orders`, and no step sees another one's output."""
    steps = plan_ticket(build_ticket(READ, WRITE)).steps
    assert [(step.id, step.worker) for step in steps] == [
        ("a01_get_order_details", "records"),
        ("a02_cancel_pending_order", "orders"),
        (REPORT_STEP, "clerk"),
    ]
    assert steps[1].arguments == {"tool": WRITE[0], "arguments": WRITE[1]}
    assert steps[1].inputs == {}


def test_a_ticket_without_calls_is_only_reported_on() -> None:
    """The plan of a ticket that asks for nothing is the report alone."""
    assert [step.id for step in plan_ticket(build_ticket()).steps] == [REPORT_STEP]


def is_accepted(step: Step, output: dict[str, Any], **inputs: object) -> bool:
    """Return whether all criteria of a step hold."""
    values = {"output": output, "inputs": {**inputs, **step.arguments}, "context": {}}
    return all(evaluate_condition(criterion.expression, values) for criterion in step.criteria)


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"answer": "Error: no", "refused": True, "record": None}, True),
        ({"answer": "Error: no", "refused": False}, False),
        ({"refused": True}, False),
        ({"answer": ""}, False),
        ({"tool": "think"}, False),
        ({"record": None}, False),
        ({"record": {}}, False),
        ({"record": {"order_id": "#2"}}, False),
    ],
)
def test_an_answer_about_something_else_is_not_accepted(
    changes: dict[str, Any], accepted: bool
) -> None:
    """A refusal is accepted as one; garbage and another order's record are not."""
    step = plan_ticket(build_ticket(READ)).steps[0]
    good = {"tool": READ[0], "answer": "{...}", "refused": False, "record": {"order_id": "#1"}}
    assert is_accepted(step, {**good, **changes}) == accepted


@pytest.mark.parametrize(
    ("outcomes", "accepted"),
    [
        (["done", "refused", "missing"], True),
        (["done", "done", "missing"], False),
        (["refused", "refused", "missing"], False),
        (["done", "refused", "done"], False),
        (["missing", "refused", "missing"], False),
        (["done", "refused"], False),
    ],
)
def test_a_report_that_hides_a_refusal_is_not_accepted(outcomes: list[str], accepted: bool) -> None:
    """The report must name every call, and say what was refused or is missing."""
    *calls, report = plan_ticket(build_ticket(READ, WRITE, READ)).steps
    actions = [
        {"step": call.id, "tool": "x", "outcome": outcome, "note": "n"}
        for call, outcome in zip(calls, outcomes, strict=False)
    ]
    answers = {calls[0].id: {"refused": False}, calls[1].id: {"refused": True}}
    assert is_accepted(report, {"text": "t", "actions": actions}, **answers) == accepted


async def test_a_ticket_is_found_in_context_or_goal(packaged: TicketFile) -> None:
    """The planner is a planner, and knows a ticket by id in the context or in the goal."""
    planner = TicketPlanner(packaged.tasks)
    assert isinstance(planner, Planner)
    ticket = packaged.tasks[-1]
    by_goal = await planner.plan(PlanRequest(goal=f"Answer ticket {ticket.id}.", workers=()))
    by_context = await planner.plan(
        PlanRequest(goal="any", workers=(), context={"ticket_id": ticket.id})
    )
    assert by_goal == by_context == plan_ticket(ticket)


@pytest.mark.parametrize(
    ("goal", "context"),
    [
        ("Answer a ticket", {}),
        ("retail-test-0 and retail-test-13", {}),
        ("retail-test-0", {"ticket_id": "retail-test-999"}),
        ("retail-test-0", {"ticket_id": ["retail-test-0"]}),
        ("xretail-test-0", {}),
    ],
)
async def test_an_unnamed_ticket_is_an_error_that_says_how(
    packaged: TicketFile, goal: str, context: dict[str, Any]
) -> None:
    """No ticket, an unknown one or two of them: the error shows near ids and what to do."""
    with pytest.raises(UnknownTicketError, match="ticket_id") as caught:
        await TicketPlanner(packaged.tasks).plan(
            PlanRequest(goal=goal, workers=(), context=context)
        )
    assert caught.value.nearest
