"""The promote node: an accepted output becomes the step's value, in one transaction."""

from collections.abc import Awaitable, Callable, Sequence

from interlock.contracts.ids import PayloadHash, StepId, WorkerName
from interlock.contracts.outcome import StepOutcome, Usage
from interlock.contracts.plain import Plain, find_path
from interlock.nodes.kept_values import fold_values
from interlock.nodes.output_handoff import record_output
from interlock.nodes.settlement import settle_step
from interlock.nodes.step_effects import record_effects, settle_effects
from interlock.nodes.step_run import StepRun, get_step_run
from interlock.nodes.step_state import StepState
from interlock.nodes.team import Team


def build_promote_node(team: Team) -> Callable[[StepState], Awaitable[StepState]]:
    """Return the promote node of a team's step graph."""

    async def promote(state: StepState) -> StepState:
        """Settle the step as accepted, or as degraded if a nested team's result has gaps.

        Reads: output, verdict, attempt, worker, usage, assignment. Writes: outcome. Effects: the
        outcome and the accepted output are durable, together (I2, I8). Interrupts: none.
        """
        run = get_step_run()
        report = await settle_effects(team, state, run, is_accepted=True)
        outcome = await _build_outcome(state, run, in_vain=report.words)
        handoff, payloads = record_output(state, run, now=team.clock.now())
        travelling = await settle_step(
            team,
            run.storage,
            outcome,
            place=run.place,
            handoffs=(handoff, *record_effects(team, state, run, report)),
            payloads=payloads,
            encoded=payloads[0] if payloads else None,
        )
        return StepState(outcome=travelling.model_dump(mode="json"))

    return promote


async def _build_outcome(state: StepState, run: StepRun, *, in_vain: Sequence[str]) -> StepOutcome:
    output = state["output"] or {}
    value: Plain = output.get("value")
    gaps: list[str] = output.get("gaps") or []
    verdict = state["verdict"] or {}
    missing, published = _collect_published(run, value)
    published_refs: dict[str, PayloadHash] = {}
    if "value_ref" in output:
        published, published_refs = await fold_values(published, run.values.keep)
    gaps = [*gaps, *missing, *in_vain]
    return StepOutcome(
        step_id=run.step.id,
        status="degraded" if gaps else "accepted",
        value=value,
        value_ref=output.get("value_ref"),
        worker=WorkerName(state["worker"]),
        attempts=state["attempt"],
        reason="; ".join(gaps) or None,
        gap="; ".join(gaps) or None,
        rests_on=tuple(StepId(step) for step in state["assignment"]["rests_on"]),
        findings=tuple(verdict.get("findings", ())),
        published={key: item for key, item in published.items() if key not in published_refs},
        published_refs=published_refs,
        approved_by_person=bool(output.get("by_person")) or verdict.get("reason") is not None,
        usage=Usage.model_validate(state["usage"]),
    )


def _collect_published(run: StepRun, value: Plain) -> tuple[list[str], dict[str, Plain]]:
    """Return what could not be published, in words, and what is."""
    missing: list[str] = []
    published: dict[str, Plain] = {}
    for key, path in run.step.publishes.items():
        parts = path.split(".")
        try:
            published[key] = find_path({"output": value}, parts)
        except LookupError as exc:
            missing.append(f"{key!r} was not published: {path!r} leads nowhere, {exc}")
    return missing, published
