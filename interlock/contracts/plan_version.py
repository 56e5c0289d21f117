"""One version of a run's plan, as the journal holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from interlock.contracts.plan import TaskGraph

PLAN_IS_VALID: Final = "the task graph is valid for the team, and after what has run"
"""The criterion of the finding under which the journal keeps who planned, as its evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersion:
    """A plan that a planner or a person brought.

    Attributes:
        plan: Whole; its `version` counts from 1.
        at: When it was handed over.
        by: `planner` or `person`.
        why: In words, where it is not the planner's first: what it changes, or why a template.
        planned_by: What the planner says of itself: a model planner, its `model` and its `prompt`.
    """

    plan: TaskGraph
    at: datetime
    by: str
    why: str | None = None
    planned_by: Mapping[str, str] = field(default_factory=dict)
