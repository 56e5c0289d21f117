"""The fallback node: takes the next declared second way."""

from collections.abc import Awaitable, Callable

from interlock.contracts.fallback import (
    Abandon,
    AskPerson,
    Fallback,
    Skip,
    UseValue,
    UseWorker,
)
from interlock.contracts.plain import Plain
from interlock.nodes.run.team import Team
from interlock.nodes.steps.step_brief import find_worker
from interlock.nodes.steps.step_run import StepRun, get_step_run
from interlock.nodes.steps.step_state import BRIEF, DEGRADE, PARK, StepState


def build_fallback_node(team: Team) -> Callable[[StepState], Awaitable[StepState]]:
    """Return the fallback node of a team's step graph."""

    async def fallback(state: StepState) -> StepState:
        """Choose the next fallback that can be taken; abandon when the chain is at its end.

        Reads: chain, verdict, output. Writes: chain, route, and what the way needs. Effects and
        interrupts: none.
        """
        run = get_step_run()
        reason = str((state.get("verdict") or {}).get("reason") or "not accepted")
        is_spent = (state.get("verdict") or {}).get("error") == "BudgetExhausted"
        for index in range(state["chain"], len(run.step.fallback)):
            way = run.step.fallback[index]
            if is_spent and isinstance(way, UseWorker):
                continue
            update = _take(team, state, run, way=way, reason=reason)
            if update is not None:
                # A person who answers "respond" may be asked again by the same entry.
                update["chain"] = index if isinstance(way, AskPerson) else index + 1
                return update
        return _settle("failed", reason=reason, chain=len(run.step.fallback))

    return fallback


def _take(
    team: Team, state: StepState, run: StepRun, *, way: Fallback, reason: str
) -> StepState | None:
    """Return where a way leads, or None if it cannot be taken."""
    match way:
        case UseWorker():
            return StepState(
                route=BRIEF,
                worker=way.worker,
                worker_attempts=0,
                wait_until=None,
                approved=False,  # of another worker, which may do what cannot be undone
            )
        case UseValue():
            if _find_value_problem(team, state, run, way.value) is not None:
                return None
            return _settle("degraded", reason=reason, way=way, value=way.value)
        case Skip():
            return _settle("skipped", reason=reason, way=way, gap=way.gap)
        case AskPerson():
            question: dict[str, Plain] = {
                "kind": "output",
                "reason": reason,
                "prompt": way.prompt,
            }
            return StepState(route=PARK, question=question)
        case Abandon():
            return _settle("failed", reason=reason, way=way)


def _find_value_problem(team: Team, state: StepState, run: StepRun, value: Plain) -> str | None:
    """Return why a declared value does not fit what the step's dependents count on."""
    for schema in (run.step.output_schema, find_worker(team, state).derive_output_schema()):
        if schema is not None and (problem := team.criteria.find_value_problem(value, schema)):
            return problem
    return None


def _settle(
    status: str,
    *,
    reason: str,
    way: Fallback | None = None,
    value: Plain = None,
    gap: str | None = None,
    chain: int | None = None,
) -> StepState:
    settlement: dict[str, Plain] = {
        "status": status,
        "reason": reason,
        "value": value,
        "gap": gap,
        "fallback": None if way is None else way.kind,
    }
    update = StepState(route=DEGRADE, settlement=settlement)
    if chain is not None:
        update["chain"] = chain
    return update
