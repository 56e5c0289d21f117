"""Where a thread stands, from its storage alone: needs no team, and no lease."""

from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.plain import Plain
from interlock.contracts.storage import Storage
from interlock.orchestrator.status import ThreadStatus


async def load_status(storage: Storage, thread_id: str) -> ThreadStatus:
    """Return where a thread stands; from any process, while another one runs it.

    Raises:
        UnknownThreadError: No run was ever started there.
    """
    key = ThreadId(thread_id)
    record = await storage.load_run(key)
    if record is None:
        raise UnknownThreadError(thread_id=thread_id)
    counts = await storage.count_thread(key)
    plan = await load_plan(storage, key)
    lease = await storage.find_lease(key)
    is_over = record.status in TERMINAL_RUN_STATUSES
    return ThreadStatus(
        thread_id=record.thread_id,
        status=record.status,
        goal=record.goal,
        total=len(plan["steps"]) if plan else None,
        settled=counts.settled,
        running=() if is_over else counts.running,
        attempts=counts.attempts,
        retries=counts.retries,
        handoffs=counts.handoffs,
        questions=await storage.list_questions(key),
        accepted_at=record.accepted_at,
        updated_at=record.updated_at,
        cancel_reason=record.cancel_reason,
        owner=lease.owner if lease is not None else None,
    )


async def load_plan(storage: Storage, thread_id: ThreadId) -> Plain:
    """Return a thread's dumped task graph from its newest checkpoint; None before there is one."""
    saved = await storage.checkpointer.aget_tuple({"configurable": {"thread_id": thread_id}})
    return saved.checkpoint["channel_values"].get("plan") if saved is not None else None
