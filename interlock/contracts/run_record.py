"""A run as the ledger knows it: written down before its first node."""

from datetime import datetime

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import RunStatus
from interlock.contracts.plain import Plain


class RunRecord(FrozenModel):
    """One run of one thread.

    Attributes:
        thread_id: The thread.
        goal: What the run is for.
        context: The shared context it was started with.
        status: `running` also while nobody runs it; terminal statuses absorb (I9).
        accepted_at: When it was written down.
        updated_at: When the status last changed.
        cancel_reason: Why it was asked to stop, if it was.
        result: A dumped `RunResult`, once terminal.
        stepwise: Whether dispatch returns to the supervisor after every settled step.
        team: The name of the team that runs it; empty if it has none.
        spaces: The named spaces of shared context that its facts live in, by role.
        trace_parent: The span of its last drive, as W3C's traceparent, if it was traced.
    """

    thread_id: ThreadId
    goal: str
    context: dict[str, Plain] = {}
    status: RunStatus = "running"
    accepted_at: datetime
    updated_at: datetime
    cancel_reason: str | None = None
    result: Plain = None
    stepwise: bool = False
    spaces: dict[str, str] = {}
    team: str = ""
    trace_parent: str | None = None
