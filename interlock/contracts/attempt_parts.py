"""What is recorded of an attempt beside its handoffs: its calls of tools, what its step needs."""

from datetime import datetime

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import HandoffId, StepId, ThreadId


class ToolCall(FrozenModel):
    """One call of a tool within an attempt.

    Attributes:
        thread_id: The run's thread.
        handoff_id: Of the attempt's output.
        ordinal: Its place among the attempt's calls, by when they ended, from 0.
        tool: Its name.
        started_at: When it was called.
        ended_at: When it had answered or raised.
        error: The class name of what it raised.
    """

    thread_id: ThreadId
    handoff_id: HandoffId
    ordinal: int
    tool: str
    started_at: datetime
    ended_at: datetime
    error: str | None = None


class StepNeed(FrozenModel):
    """One step waits for another's output.

    Attributes:
        thread_id: The run's thread.
        superstep: In which it waits.
        step_id: Who waits, by path.
        need: Whose output, by path.
        is_read: Whether its brief shows any part of it.
    """

    thread_id: ThreadId
    superstep: str
    step_id: StepId
    need: StepId
    is_read: bool
