"""Whom an attempt blames for what it was given: inputs and facts that are found to be wrong."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from interlock.contracts.criteria import Finding
from interlock.contracts.fault import Blame
from interlock.contracts.ids import StepId, derive_id
from interlock.nodes.run.step_needs import find_source
from interlock.nodes.steps.promoting import list_shown_places
from interlock.nodes.steps.step_run import StepRun
from interlock.nodes.steps.step_state import StepState


def list_blames(state: StepState, run: StepRun, *, at: datetime) -> tuple[Blame, ...]:
    """Return the blames of a refused attempt, one an input or a fact.

    A criterion names them in its finding, a worker in the error with which it refuses its brief. What
    is no input of another step's, nor a fact that the attempt was shown, is left out.
    """
    output = state.get("output") or {}
    error: Mapping[str, Any] = output.get("error") or {}
    found = {name: str(error.get("message")) for name in error.get("blames") or ()}
    findings = ((state.get("verdict") or {}).get("findings")) or ()
    for finding in map(Finding.model_validate, findings):
        if not finding.passed:
            found.update(dict.fromkeys(finding.blames, finding.message or finding.criterion))
    if not found:
        return ()
    facts = list_shown_places(state)
    blames = (_blame(name, why, state, run, at=at, facts=facts) for name, why in found.items())
    return tuple(blame for blame in blames if blame is not None)


def _blame(
    name: str,
    why: str,
    state: StepState,
    run: StepRun,
    *,
    at: datetime,
    facts: Mapping[str, tuple[str, int]],
) -> Blame | None:
    source = find_source(run.step, name)
    if source is None and name not in facts:
        return None
    place = (run.thread_id, run.superstep, run.path, state["attempt"])
    fact = None if source is not None else (facts[name][0], name, facts[name][1])
    return Blame(
        id=derive_id("f", *place, name),
        thread_id=run.thread_id,
        step_id=StepId("" if source is None else f"{run.scope}{source}"),
        fact=fact,
        how="rejected",
        found_by=run.path,
        found_thread=run.thread_id,
        found_superstep=run.superstep,
        found_attempt=state["attempt"],
        found_at=at,
        why=why,
    )
