"""What a step promotes: its offer to the shared context, built from its state.

Called by the promote node; `promotion_rules` says how it is decided.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from interlock.contracts.context_records import AskedFact, ContextVersion, FactRef, Facts, FactUse
from interlock.contracts.criteria import Finding
from interlock.contracts.ids import WorkerName
from interlock.contracts.plain import Plain, is_same
from interlock.contracts.promotion import Promotion
from interlock.contracts.shared_context import is_shared_space, name_own_space
from interlock.nodes.run.team import Team
from interlock.nodes.steps.promotion_rules import Offer
from interlock.nodes.steps.step_run import StepRun
from interlock.nodes.steps.step_state import StepState

StepFacts = dict[str, Any]
"""What dispatch noted of a step's facts: `shown`, `base`, `spaces`; `known`, `sources` (behind its
inputs), `order`."""


def get_facts(state: StepState) -> StepFacts:
    """Return what dispatch noted of the step's facts; empty if it neither reads nor publishes."""
    facts: StepFacts = state["assignment"].get("facts") or {}
    return facts


def list_shown_places(state: StepState) -> dict[str, tuple[str, int]]:
    """Return the space and the version of each fact that the step is shown, by context key."""
    shown: Mapping[str, Any] = get_facts(state).get("shown") or {}
    return {key: (str(place[0]), int(place[1])) for key, place in shown.items()}


def list_sources(state: StepState) -> list[FactRef]:
    """Return what a step's output rests on: what it is shown, and what is behind its inputs."""
    behind = (FactRef(*source) for source in get_facts(state).get("sources") or ())
    shown = (FactRef(place[0], key, place[1]) for key, place in list_shown_places(state).items())
    return sorted({*behind, *shown})


def list_uses(state: StepState, run: StepRun) -> tuple[FactUse, ...]:
    """Return which facts the attempt that the state stands at is shown."""
    return tuple(
        FactUse(
            space=space,
            key=key,
            version=version,
            thread_id=run.thread_id,
            superstep=run.superstep,
            step_id=run.path,
            attempt=state["attempt"],
        )
        for key, (space, version) in list_shown_places(state).items()
    )


def build_promotion(
    team: Team, state: StepState, run: StepRun, *, published: Mapping[str, Plain], at: datetime
) -> Promotion:
    """Return what a step offers to the shared context.

    Args:
        team: At work.
        state: The step's, at an accepted attempt.
        run: The step.
        published: Context key to value.
        at: Now.
    """
    facts, output = get_facts(state), state["output"] or {}
    base: Mapping[str, int] = facts.get("base") or {}
    offer = Offer(
        shared=team.spec.context,
        criteria=team.criteria,
        thread_id=run.thread_id,
        values=published,
        shown=state["assignment"]["context"],
        base=base,
        reads=run.step.context,
        plan_order=int(facts.get("order", -1)),
    )
    findings = (state["verdict"] or {}).get("findings", ())
    made = ContextVersion(
        kind="promotion",
        thread_id=run.thread_id,
        superstep=run.superstep,
        epoch=run.epoch,
        step_id=run.path,
        attempt=state["attempt"],
        worker=WorkerName(state["worker"]),
        brief_hash=(state.get("brief") or {}).get("hash"),
        findings=tuple(Finding.model_validate(finding) for finding in findings),
        base=dict(base),
        why="a person edited the output" if output.get("by_person") else None,
        at=at,
    )
    own = name_own_space(run.thread_id, state["assignment"].get("scope", ""))
    return Promotion(
        made=made,
        # A release that noted no facts had no spaces but the run's own.
        spaces={**dict.fromkeys(published, own), **(facts.get("spaces") or {})},
        base=base,
        known=facts.get("known") or {},
        sources=list_sources(state),
        plan_order=offer.plan_order,
        decide=offer.decide,
    )


async def list_facts_within(run: StepRun) -> list[FactRef]:
    """Return the facts that steps within a step, which is a team's, were shown; each once."""
    uses = await run.storage.context.load_thread_uses(run.thread_id)
    return sorted({use.ref for use in uses if use.step_id.startswith(f"{run.path}/")})


async def look_again(state: StepState, run: StepRun) -> tuple[StepState, tuple[str, ...]]:
    """Return a step's state on a new snapshot of its facts, and which of those it read changed.

    A key of the run's own space is looked for above the version that its branch knows.
    """
    facts = {"spaces": {}, "base": {}, **get_facts(state)}
    spaces: Mapping[str, str] = facts["spaces"]
    known: Mapping[str, int] = facts.get("known") or {}
    asked = [
        AskedFact(
            space=spaces[key],
            key=key,
            base=None if is_shared_space(spaces[key]) else max(int(version), known.get(key, 0)),
        )
        for key, version in facts["base"].items()
    ]
    held = await run.storage.context.load_snapshot(asked)
    context: dict[str, Plain] = dict(state["assignment"]["context"])
    changed = [
        key
        for key in run.step.context
        if _update(key, held, context=context, base=int(facts["base"].get(key, 0)))
    ]
    base = {
        key: held[key].version if key in held else version for key, version in facts["base"].items()
    }
    shown = {
        key: (spaces[key], base[key]) for key in run.step.context if key in context and base[key]
    }
    renewed = {
        **facts,
        "base": base,
        "shown": shown,
        "known": {**known, **{key: max(base[key], known.get(key, 0)) for key in base}},
    }
    assignment = {**state["assignment"], "context": context, "facts": renewed}
    return {**state, "assignment": assignment}, tuple(changed)


def judge_on_new_facts(state: StepState, renewed: StepState) -> dict[str, Any]:
    """Return the assignment of an output that was made on older facts and stood on new ones.

    It rests on both: the worker was shown the older ones, which a person may have corrected.
    """
    old, new = get_facts(state), get_facts(renewed)
    judged = [[place[0], key, place[1]] for key, place in (new.get("shown") or {}).items()]
    facts = {
        **new,
        "shown": {**(new.get("shown") or {}), **(old.get("shown") or {})},
        "sources": [*(new.get("sources") or ()), *judged],
    }
    return {**renewed["assignment"], "facts": facts}


def _update(key: str, held: Facts, *, context: dict[str, Plain], base: int) -> bool:
    """Put what is held of a key into a context; return whether that changes it."""
    fact = held.get(key)
    if fact is None or fact.version == base:
        return False
    had, before = key in context, context.get(key)
    if not fact.is_held:
        context.pop(key, None)
        return had
    context[key] = fact.value
    return not had or not is_same(before, fact.value)
