"""The degrade node: settles a step for less than accepted, and says so."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.outcome import StepOutcome, Usage
from interlock.contracts.storage import Batch
from interlock.nodes.run.settlement import settle_step
from interlock.nodes.run.team import Team
from interlock.nodes.steps.output_handoff import find_review
from interlock.nodes.steps.step_effects import record_effects, settle_effects
from interlock.nodes.steps.step_run import get_step_run
from interlock.nodes.steps.step_state import StepState


def build_degrade_node(team: Team) -> Callable[[StepState], Awaitable[StepState]]:
    """Return the degrade node of a team's step graph."""

    async def degrade(state: StepState) -> StepState:
        """Settle the step as degraded, skipped, failed or cancelled.

        Reads: settlement, verdict, attempt, usage, assignment. Writes: outcome. Effects: the
        outcome is durable. Interrupts: none.
        """
        run = get_step_run()
        settlement = state["settlement"] or {}
        verdict = state.get("verdict") or {}
        status = settlement["status"]
        report = await settle_effects(team, state, run, is_accepted=False)
        reason = "; ".join((str(settlement["reason"]), *report.words))
        gap = settlement.get("gap")
        if gap is not None or (status == "degraded" and report.words):
            gap = "; ".join((gap or str(settlement["reason"]), *report.words))
        outcome = StepOutcome(
            step_id=run.step.id,
            status=status,
            value=settlement.get("value"),
            worker=WorkerName(state["worker"]),
            attempts=state["attempt"],
            reason=reason,
            gap=gap,
            rests_on=tuple(StepId(step) for step in state["assignment"]["rests_on"]),
            findings=tuple(verdict.get("findings", ())),
            usage=Usage.model_validate(state["usage"]),
            fallback=settlement.get("fallback"),
            begun_at=datetime.fromisoformat(state["begun_at"]),
            reviewed_at=find_review(state),
        )
        travelling = await settle_step(
            team,
            run.storage,
            outcome,
            place=run.place,
            beside=Batch(handoffs=record_effects(team, state, run, report)),
        )
        return StepState(outcome=travelling.model_dump(mode="json"))

    return degrade
