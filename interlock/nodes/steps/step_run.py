"""The live part of one step: handed from dispatch to the step graph's nodes, never to a worker.

It travels in a context variable because LangGraph's config reaches the worker and its tools.
The worker node clears it before the worker runs (I4).
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

from interlock.contracts.errors import ContractError
from interlock.contracts.fallback import Abandon
from interlock.contracts.handoff import VerdictAction
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.limits import Turn
from interlock.contracts.plan import Step
from interlock.contracts.policy import Retry, RunPolicy
from interlock.contracts.storage import Storage
from interlock.nodes.calls.tool_watch import ToolWatch
from interlock.nodes.run.account import Account
from interlock.nodes.run.kept_values import KeptValues
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.place import Place
from interlock.nodes.run.slots import Slot
from interlock.nodes.steps.step_notes import StepNotes
from interlock.nodes.steps.step_spans import StepSpans


@dataclass(slots=True, kw_only=True)
class StepRun:
    """One step under way.

    Attributes:
        step: As planned.
        place: Where its outcome belongs.
        storage: Where its handoffs and its outcome go.
        live: The run's live part.
        account: What is left of its budget, and of those above.
        slot: Its place among those that work at once.
        queued_at: When all that it needs had settled.
        policy: The run's.
        values: The big values that it works with.
        notes: Its workers' scratchpads.
        epoch: The run's effect epoch.
        spaces: The named spaces of shared context that the run works in, by role.
        outer_attempt: The attempt of the step above, by path, in nested teams.
        turn: Of the worker whose attempt begins, if it has a breaker or a rate.
        is_briefed: Whether this process queued the journal's record of the current brief.
        watch: Notes the tools that the attempt under way calls.
        spans: Tells who watches the run of the step's stages.
    """

    step: Step
    place: Place
    storage: Storage
    live: LiveRun
    account: Account
    slot: Slot
    queued_at: datetime
    policy: RunPolicy
    values: KeptValues
    notes: StepNotes
    epoch: int = 0
    spaces: Mapping[str, str] = field(default_factory=dict)
    outer_attempt: str = ""
    turn: Turn | None = None
    is_briefed: bool = False
    watch: ToolWatch | None = None
    spans: StepSpans = field(default_factory=StepSpans)

    @property
    def thread_id(self) -> ThreadId:
        """The run's thread."""
        return self.place.thread_id

    @property
    def superstep(self) -> str:
        """Checkpoint id of the dispatch superstep."""
        return self.place.superstep

    @property
    def path(self) -> StepId:
        """The step's id, prefixed by its team's scope; what the journal calls it."""
        return self.place.path

    @property
    def retry(self) -> Retry:
        """The step's retry policy, or the run's."""
        return self.step.retry or self.policy.retry

    @property
    def scope(self) -> str:
        """The path of the team that the step is of, `outer/`; empty for the run's own."""
        return self.path[: len(self.path) - len(self.step.id)]

    def name_last_resort(self, chain: int) -> VerdictAction:
        """Return what the supervisor does when attempts are used up: a fallback, if one is left.

        Args:
            chain: Fallbacks that are used up.
        """
        left = self.step.fallback[chain:]
        return "fallback" if left and not isinstance(left[0], Abandon) else "fail"


CURRENT_STEP: ContextVar[StepRun | None] = ContextVar("interlock_current_step", default=None)


def get_step_run() -> StepRun:
    """Return the step that the calling node works on.

    Raises:
        ContractError: The step graph was invoked by something other than dispatch.
    """
    current = CURRENT_STEP.get()
    if current is None:
        raise ContractError(
            "A step graph runs only inside its run graph's dispatch node. Invoke the run graph."
        )
    return current
