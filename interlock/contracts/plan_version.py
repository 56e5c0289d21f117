"""One version of a run's plan, as the journal holds it."""

from dataclasses import dataclass
from datetime import datetime

from interlock.contracts.plan import TaskGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersion:
    """A plan that a planner or a person brought.

    Attributes:
        plan: Whole; its `version` counts from 1.
        at: When it was handed over.
        by: `planner` or `person`.
        why: In words, where it is not the planner's first: what it changes, or why a template.
    """

    plan: TaskGraph
    at: datetime
    by: str
    why: str | None = None
