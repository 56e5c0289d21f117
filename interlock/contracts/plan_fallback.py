"""Declared second ways of a planner: what happens when it has brought no valid plan."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from interlock.contracts.fallback import AskPerson
from interlock.contracts.plan import TaskGraph
from interlock.contracts.worker import PlanRequest

TemplatePlan: TypeAlias = TaskGraph | Callable[[PlanRequest], TaskGraph | Awaitable[TaskGraph]]


@dataclass(frozen=True, slots=True)
class UsePlan:
    """Let a template plan run, if it is valid; the journal and the result say that it did."""

    plan: TemplatePlan


PlanFallback: TypeAlias = UsePlan | AskPerson
"""An entry of a planner's `fallback`, taken in order when its attempts are used up."""


def use_plan(plan: TemplatePlan) -> UsePlan:
    """Return the fallback that lets a template plan run.

    Args:
        plan: A task graph, or a function (sync or async) of the request.
    """
    return UsePlan(plan)
