"""A person's request for another plan: durable, from any process, also while the run is driven."""

from datetime import datetime

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId, derive_handoff_id
from interlock.contracts.plain import Plain, derive_hash
from interlock.contracts.storage import Storage


async def request_replan(storage: Storage, thread_id: str, *, why: str, at: datetime) -> None:
    """Ask the planner of a run for another version of its plan, once all of its steps have settled.

    Args:
        storage: Where the run lies.
        thread_id: The run's thread.
        why: What is wanted; the planner is told, and the journal keeps it.
        at: Now.

    Raises:
        UnknownThreadError: No run was ever started there.
        FinishedRunError: The run has ended.
        ConfigurationError: No reason is given.
    """
    if not why.strip():
        raise ConfigurationError(
            "A request for another plan needs a reason, which the planner is told. Say what is "
            "missing, or what should be done otherwise."
        )
    payload: Plain = {"why": why}
    await storage.request_replan(
        Handoff(
            id=derive_handoff_id(
                thread_id,
                superstep="",
                step_id="",
                attempt=0,
                kind=f"replan/{derive_hash(payload)}/{at.isoformat()}",
            ),
            thread_id=ThreadId(thread_id),
            superstep="",
            kind="replan",
            sender="person",
            receiver="planner",
            payload=payload,
            payload_hash=derive_hash(payload),
            ended_at=at,
        )
    )
