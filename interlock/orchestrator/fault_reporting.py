"""Writing down that a step's accepted value proved wrong, found outside the run."""

from datetime import datetime

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.fault import Blame, Fault, FaultHow
from interlock.contracts.ids import StepId, ThreadId, derive_id
from interlock.contracts.storage import Storage


async def report_fault(
    storage: Storage,
    thread_id: str,
    step: str,
    *,
    why: str,
    found_by: str,
    is_final_check: bool,
    at: datetime,
) -> Fault:
    """Write a fault down; the same step is reported once by each finder.

    Raises:
        ConfigurationError: Nothing is said of what is wrong, or of who found it.
        UnknownThreadError: No run was ever started there.
        NoValueError: The step has no value that could be wrong.
    """
    if not why.strip() or not found_by.strip():
        raise ConfigurationError(
            f"A fault of step {step!r} was reported with why={why!r}, found_by={found_by!r}. Say what "
            "is wrong with its value, and who or what found it."
        )
    how: FaultHow = "final_check" if is_final_check else "reported"
    blame = Blame(
        id=derive_id("f", thread_id, step, how, found_by),
        thread_id=ThreadId(thread_id),
        step_id=StepId(step),
        how=how,
        found_by=found_by,
        found_thread=ThreadId(thread_id),
        found_at=at,
        why=why,
    )
    return await storage.report_fault(blame)
