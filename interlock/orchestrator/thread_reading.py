"""Where a thread stands, from its storage alone: needs no team, and no lease."""

from collections import Counter
from collections.abc import Mapping, Sequence

from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.plain import Plain
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_version import PLAN_IS_VALID, PlanVersion
from interlock.contracts.run_record import RunRecord
from interlock.contracts.spending import sum_usage
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
    spending = await storage.load_spending(key)
    plan = await load_plan(storage, key)
    lease = await storage.find_lease(key)
    is_over = record.status in TERMINAL_RUN_STATUSES
    total = len(plan["steps"]) if plan else None
    settled = counts.settled
    if is_over and total is None:  # pruned, or it never had a plan: its result is what is left
        ended = Counter(outcome["status"] for outcome in read_outcomes(record).values())
        total, settled = ended.total() or None, counts.settled or ended
    return ThreadStatus(
        thread_id=record.thread_id,
        status=record.status,
        goal=record.goal,
        total=total,
        settled=settled,
        running=() if is_over else counts.running,
        attempts=counts.attempts,
        retries=counts.retries,
        handoffs=counts.handoffs,
        usage=sum_usage(spending, attempts=counts.attempts),
        questions=await storage.list_questions(key),
        accepted_at=record.accepted_at,
        updated_at=record.updated_at,
        cancel_reason=record.cancel_reason,
        owner=lease.owner if lease is not None else None,
    )


def read_outcomes(record: RunRecord) -> Mapping[str, Plain]:
    """Return the dumped outcomes of an ended run, by step."""
    outcomes: Mapping[str, Plain] = (record.result or {}).get("outcomes", {})
    return outcomes


async def load_recorded_plan(storage: Storage, record: RunRecord) -> Plain:
    """Return an ended run's dumped task graph from the journal; None if it is not there.

    For runs whose checkpoints have been pruned. Nested teams' plans lie in the same journal: the
    run's own is the last one that has the very steps which the run's result tells of.
    """
    steps = set(read_outcomes(record))
    for handoff in reversed(await storage.load_handoffs(record.thread_id)):
        if handoff.kind == "plan":
            plan = await storage.load_payload(record.thread_id, handoff.payload_hash)
            if {step["id"] for step in plan["steps"]} == steps:
                return plan
    return None


async def load_plan(storage: Storage, thread_id: ThreadId) -> Plain:
    """Return a thread's dumped task graph from its newest checkpoint; None before there is one."""
    saved = await storage.checkpointer.aget_tuple({"configurable": {"thread_id": thread_id}})
    return saved.checkpoint["channel_values"].get("plan") if saved is not None else None


def _find_planner(handoff: Handoff) -> dict[str, str]:
    """Return what the planner of a plan said of itself."""
    for finding in handoff.verdict.findings if handoff.verdict is not None else ():
        if finding.criterion == PLAN_IS_VALID and isinstance(finding.evidence, dict):
            return {key: str(value) for key, value in finding.evidence.items()}
    return {}


async def load_plan_versions(
    storage: Storage, thread_id: ThreadId, *, step: str | None
) -> Sequence[PlanVersion]:
    """Return the plans that the journal holds for a run or a step's team, by version.

    Of two that have one version, as after a fork or a person's edit, the later is returned. A
    team begins to plan anew with every attempt of its step, and of those above.
    """
    found: dict[int, PlanVersion] = {}
    for handoff in await storage.load_handoffs(thread_id):
        if step and handoff.kind == "brief" and f"{step}/".startswith(f"{handoff.step_id}/"):
            found.clear()
        if handoff.kind != "plan" or handoff.step_id != step:
            continue
        payload = await storage.load_payload(thread_id, handoff.payload_hash)
        plan = TaskGraph.model_validate(payload)
        found[plan.version] = PlanVersion(
            plan=plan,
            at=handoff.ended_at,
            by=handoff.sender,
            why=handoff.verdict.reason if handoff.verdict is not None else None,
            planned_by=_find_planner(handoff),
        )
    return [found[version] for version in sorted(found)]
