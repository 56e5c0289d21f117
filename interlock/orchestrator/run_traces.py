"""A run, step by step, read from its journal to be compared with another."""

from collections.abc import Mapping, Sequence

from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.plan_order import derive_topological_order
from interlock.contracts.run_difference import RunDifference, RunTrace, StepTrace
from interlock.contracts.storage import Storage
from interlock.telemetry.comparing import compare_runs


async def load_difference(
    storage: Storage, one: str, other: str, *, other_storage: Storage | None = None
) -> RunDifference:
    """Return where the runs of two threads parted.

    Args:
        storage: Where the first lies.
        one: Its thread.
        other: The second thread.
        other_storage: Where that one lies, if elsewhere.

    Raises:
        UnknownThreadError: No run was ever started on one of them.
    """
    first = await load_trace(storage, one)
    return compare_runs(first, await load_trace(other_storage or storage, other))


async def load_trace(storage: Storage, thread_id: str) -> RunTrace:
    """Return a run, step by step; big values are read in full.

    Raises:
        UnknownThreadError: No run was ever started there.
    """
    thread = ThreadId(thread_id)
    run = await storage.load_run(thread)
    if run is None:
        raise UnknownThreadError(thread_id=thread_id)
    journal = await storage.load_handoffs(thread, payloads=True)
    by_step: dict[str, list[Handoff]] = {}
    for handoff in journal:
        by_step.setdefault(str(handoff.step_id or ""), []).append(handoff)
    traces: list[StepTrace] = []
    for scope, plan in _list_plans(journal).items():
        steps = plan.index_steps()
        for name in derive_topological_order(steps):
            path = StepId(f"{scope}{name}")
            traces.append(_trace(path, steps[name], by_step.get(path, ()), scope=scope))
    return RunTrace(
        thread_id=thread,
        goal=run.goal,
        context=dict(run.context),
        status=run.status,
        steps=tuple(traces),
    )


def _list_plans(journal: Sequence[Handoff]) -> Mapping[str, TaskGraph]:
    """Return the newest plan of the run and of each team within it, by the paths of their steps."""
    plans: dict[str, TaskGraph] = {}
    for handoff in journal:
        if handoff.kind == "plan":
            scope = f"{handoff.step_id}/" if handoff.step_id else ""
            plans[scope] = TaskGraph.model_validate(handoff.payload)
    return plans


def _trace(path: StepId, step: Step, mine: Sequence[Handoff], *, scope: str) -> StepTrace:
    briefs = [handoff for handoff in mine if handoff.kind == "brief"]
    outputs = [handoff for handoff in mine if handoff.kind == "output"]
    brief = briefs[-1] if briefs else None
    output = outputs[-1] if outputs else None
    verdict = None if output is None else output.verdict
    findings = verdict.findings if verdict is not None else ()
    return StepTrace(
        path=path,
        needs=tuple(StepId(f"{scope}{need.step}") for need in step.needs),
        declared=step.model_dump(mode="json", exclude={"id"}),
        worker=None if brief is None else str(brief.worker),
        attempts=max((handoff.attempt for handoff in briefs), default=0),
        status=_find_status(mine),
        brief=None if brief is None else brief.payload,
        brief_hash=None if brief is None else brief.payload_hash,
        output=None if output is None else output.payload,
        output_hash=None if output is None else output.payload_hash,
        verdict=None if verdict is None else verdict.action,
        failed=tuple(finding.criterion for finding in findings if not finding.passed),
    )


def _find_status(handoffs: Sequence[Handoff]) -> str | None:
    """Return how a step stands: its last settlement, or its accepted output after that."""
    for handoff in reversed(handoffs):
        if handoff.kind == "settlement":
            return handoff.status
        if handoff.kind == "output" and handoff.verdict and handoff.verdict.action == "accept":
            return "accepted"
    return None
