"""The promote node: an accepted output becomes the step's value and its facts, in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from interlock.contracts.context_errors import PromotionRefusedError
from interlock.contracts.fallback import AskPerson
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.outcome import StepOutcome, Usage
from interlock.contracts.plain import Plain, find_path
from interlock.nodes.run.settlement import settle_step
from interlock.nodes.run.team import Team
from interlock.nodes.steps.output_handoff import record_output
from interlock.nodes.steps.promoting import build_promotion, list_facts_within, list_shown_places
from interlock.nodes.steps.promotion_refusal import MOST_CONFLICTS, take_refusal
from interlock.nodes.steps.step_effects import EffectReport, record_effects, settle_effects
from interlock.nodes.steps.step_run import StepRun, get_step_run
from interlock.nodes.steps.step_state import PROMOTE, StepState


def build_promote_node(team: Team) -> Callable[[StepState], Awaitable[StepState]]:
    """Return the promote node of a team's step graph."""

    async def promote(state: StepState) -> StepState:
        """Settle the step as accepted, or as degraded if a nested team's result has gaps.

        If what it publishes may not enter the shared context, the attempt is refused instead.

        Reads: output, verdict, attempt, worker, usage, assignment, conflicts. Writes: outcome and
        route; for a refused attempt what review writes, and a new snapshot of its facts. Effects:
        the outcome, the accepted output and the facts are durable, together (I2, I8); a refused
        attempt is on its way to the journal. Interrupts: none.
        """
        run = get_step_run()
        with run.spans.promotion(state):
            return await _promote(team, state, run)

    return promote


async def _promote(team: Team, state: StepState, run: StepRun) -> StepState:
    report: EffectReport | None = None
    for tries in range(MOST_CONFLICTS + 1):
        try:
            if report is None:
                await _look_ahead(team, state, run)
                report = await settle_effects(team, state, run, is_accepted=True)
            outcome = await _settle(team, state, run, report)
        except PromotionRefusedError as exc:
            may_offer_again = tries < MOST_CONFLICTS
            update = await take_refusal(team, state, run, exc, may_offer_again=may_offer_again)
            if update["route"] != PROMOTE:
                return update
            state = {**state, **update}
        else:
            return StepState(outcome=outcome.model_dump(mode="json"))
    raise AssertionError  # the last refusal leads away


async def _look_ahead(team: Team, state: StepState, run: StepRun) -> None:
    """Return if what the step publishes may enter, as far as can be seen before it is offered.

    Effects of earlier attempts are taken back for good, so not before this one is known to stand.

    Raises:
        PromotionRefusedError: It may not.
    """
    _, published = _collect_published(run, (state["output"] or {}).get("value"))
    if published and state["attempt"] > 1:
        now = team.clock.now()
        promotion = build_promotion(team, state, run, published=published, at=now)
        await run.storage.context.check(promotion)


async def _settle(team: Team, state: StepState, run: StepRun, report: EffectReport) -> StepOutcome:
    """Write what an accepted attempt comes to, and return it as it travels in the state.

    Raises:
        PromotionRefusedError: What it publishes may not enter; nothing was written.
    """
    now = team.clock.now()
    value: Plain = (state["output"] or {}).get("value")
    missing, published = _collect_published(run, value)
    outcome = _build_outcome(state, run, gaps=(*missing, *report.words))
    promotion = None
    if published:
        promotion = build_promotion(team, state, run, published=published, at=now)
        if team.is_team(WorkerName(state["worker"])):
            within = await list_facts_within(run)
            promotion = replace(promotion, sources=[*promotion.sources, *within])
    recorded = record_output(state, run, now=now)
    outcome = outcome.model_copy(update={"reviewed_at": recorded.handoffs[0].reviewed_at})
    handoffs = (*recorded.handoffs, *record_effects(team, state, run, report))
    beside = replace(recorded, handoffs=handoffs, promotion=promotion)
    return await settle_step(team, run.storage, outcome, place=run.place, beside=beside)


def _build_outcome(state: StepState, run: StepRun, *, gaps: Sequence[str]) -> StepOutcome:
    output = state["output"] or {}
    nested: list[str] = output.get("gaps") or []
    verdict = state["verdict"] or {}
    gap = "; ".join((*nested, *gaps)) or None
    return StepOutcome(
        step_id=run.step.id,
        status="degraded" if gap else "accepted",
        value=output.get("value"),
        value_ref=output.get("value_ref"),
        worker=WorkerName(state["worker"]),
        attempts=state["attempt"],
        reason=gap,
        gap=gap,
        rests_on=tuple(StepId(step) for step in state["assignment"]["rests_on"]),
        findings=tuple(verdict.get("findings", ())),
        shown_facts=list_shown_places(state),
        approved_by_person=bool(output.get("by_person")) or verdict.get("reason") is not None,
        usage=Usage.model_validate(state["usage"]),
        fallback=_name_fallback(state, run),
        begun_at=datetime.fromisoformat(state["begun_at"]),
        notes=tuple((StepId(path), words) for path, words in output.get("notes") or ()),
    )


def _name_fallback(state: StepState, run: StepRun) -> str | None:
    """Return the kind of the second way that brought an accepted output, or None."""
    if state["worker"] != run.step.worker:
        return "use_worker"
    ways = run.step.fallback[state["chain"] :]
    is_by_person = (state["verdict"] or {}).get("reason") is not None or (
        (state["output"] or {}).get("by_person")
    )
    return "ask_person" if is_by_person and ways and isinstance(ways[0], AskPerson) else None


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
