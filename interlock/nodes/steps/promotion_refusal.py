"""What the supervisor makes of a promotion that storage has refused.

Somebody else's change is met by looking again: the output is reviewed on what the context holds
now, and offered again on that base. Where no criterion looks at what has changed, a review says
nothing about it, and the worker does its step again on a new snapshot: a decision made on a value
that no longer holds is never kept (no write skew).
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from interlock.contracts.context_errors import PromotionRefusedError
from interlock.contracts.criteria import ExpressionCriterion, Finding
from interlock.contracts.handoff import VerdictAction
from interlock.contracts.plan import Step
from interlock.criteria import list_paths
from interlock.nodes.run.live_run import forget_cancel
from interlock.nodes.run.team import Team
from interlock.nodes.steps.promoting import judge_on_new_facts, look_again
from interlock.nodes.steps.step_review import (
    ask_criteria,
    build_judges_guard,
    count_judges,
    dump_verdict,
    record_refusal,
    settle_cancelled,
    word_finding,
)
from interlock.nodes.steps.step_run import StepRun
from interlock.nodes.steps.step_state import BRIEF, FALLBACK, PARK, PROMOTE, StepState

MOST_CONFLICTS: Final = 3
"""How often a step meets somebody else's change, offered again or done again, before it counts."""


async def take_refusal(
    team: Team,
    state: StepState,
    run: StepRun,
    error: PromotionRefusedError,
    *,
    may_offer_again: bool,
) -> StepState:
    """Return what changes: the route, and with it a new snapshot where somebody else was quicker.

    The route is `promote` where the output, reviewed on the new snapshot, is to be offered again.

    Args:
        team: At work.
        state: The step's, at the refused attempt.
        run: The step.
        error: Why it was refused.
        may_offer_again: Whether it may be.
    """
    findings = _list_findings(error)
    if not error.is_conflict:
        return _refuse(team, state, run, findings=findings, is_conflict=False)
    renewed, changed = await look_again(state, run)
    counted = StepState()
    is_written = any(problem.kind == "conflict" for problem in error.problems)
    if not is_written and may_offer_again and _is_looked_at(run.step, changed):
        reviewed, counted = await _review_again(team, renewed, run)
        if reviewed is None:
            return _settle_cut_off(team, {**renewed, **counted}, run)
        failed = [finding for finding in reviewed if not finding.passed]
        if not failed:
            verdict = dump_verdict("accept", reviewed)
            base = judge_on_new_facts(state, renewed)
            return {**counted, **StepState(route=PROMOTE, verdict=verdict, assignment=base)}
        findings += failed
    update = _refuse(team, renewed, run, findings=findings, is_conflict=True)
    return {**update, **counted, "assignment": renewed["assignment"]}


async def _review_again(
    team: Team, state: StepState, run: StepRun
) -> tuple[Sequence[Finding] | None, StepState]:
    """Return the findings on an output that was reviewed before, and the step's cost with theirs.

    There are no findings if the run was cancelled meanwhile.
    """
    guard = await build_judges_guard(team, state, run)
    findings: Sequence[Finding] | None = None
    try:
        findings = await ask_criteria(team, state, run, output=state["output"] or {}, guard=guard)
    except asyncio.CancelledError:
        if run.live.cancel_reason is None:
            raise
        forget_cancel()
    return findings, count_judges(state, run, guard.usage)


def _settle_cut_off(team: Team, state: StepState, run: StepRun) -> StepState:
    """Return the way of an attempt whose run was cancelled while it was looked at again."""
    update = settle_cancelled(str(run.live.cancel_reason), error=None)
    reviewed = record_refusal(team, {**state, **update}, run)
    counted = StepState(usage=state["usage"], judged=state["judged"])
    return {**update, **counted, **reviewed, "assignment": state["assignment"]}


def _list_findings(error: PromotionRefusedError) -> list[Finding]:
    """Return why a promotion was refused, as findings."""
    return [
        Finding(
            criterion="refused by the shared context",
            passed=False,
            message=problem.message,
            kind="context",
        )
        for problem in error.problems
    ]


def _is_looked_at(step: Step, changed: Sequence[str]) -> bool:
    """Return whether criteria look at every fact that has changed."""
    paths = [
        path
        for criterion in step.criteria
        if isinstance(criterion, ExpressionCriterion)
        for path in list_paths(criterion.expression, "context")
    ]
    return all(any(path[:1] in {(), (key,)} for path in paths) for key in changed)


def _refuse(
    team: Team, state: StepState, run: StepRun, *, findings: Sequence[Finding], is_conflict: bool
) -> StepState:
    """Return the way of a refused attempt: to a person, to another attempt, or to the fallbacks.

    An attempt that only met somebody else's change does not count against the worker's number, a
    few times; what it was told goes into the next one's brief, on a new snapshot.
    """
    words = [word_finding(finding) for finding in findings]
    reason = "; ".join(words)
    conflicts = int(state.get("conflicts") or 0) + int(is_conflict)
    is_free = is_conflict and conflicts <= MOST_CONFLICTS
    attempts = state["worker_attempts"] - int(is_free)
    update = StepState(
        feedback=[f"Attempt {state['attempt']}: {line}" for line in words],
        conflicts=conflicts,
        worker_attempts=attempts,
    )
    action: VerdictAction
    if _is_approved(state):
        update["route"], action = PARK, "park"
        update["question"] = {"kind": "output", "reason": reason}
    elif attempts < run.retry.max_attempts:
        update["route"], action = BRIEF, "retry"
    else:
        update["route"], action = FALLBACK, run.name_last_resort(state["chain"])
    update["verdict"] = dump_verdict(action, findings, reason=reason)
    return {**update, **record_refusal(team, {**state, **update}, run)}


def _is_approved(state: StepState) -> bool:
    """Return whether a person let the output pass, or wrote it, and so has to be told."""
    output, verdict = state["output"] or {}, state["verdict"] or {}
    return bool(output.get("by_person")) or verdict.get("reason") is not None
