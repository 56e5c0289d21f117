"""The review node: the supervisor's validation of one attempt (I1).

Every worker's only edge leads here. It decides accept, retry, fallback or park, and writes the
decision to the state; the conditional edge behind it only looks the decision up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from interlock.contracts.criteria import Finding
from interlock.contracts.effects import EffectRecord
from interlock.contracts.errors import STORAGE_FAILURES, InterlockError
from interlock.contracts.handoff import Verdict, VerdictAction
from interlock.contracts.ids import WorkerName
from interlock.contracts.judging import list_quotes
from interlock.contracts.outcome import Usage
from interlock.contracts.plain import Plain
from interlock.contracts.policy import derive_backoff_seconds
from interlock.contracts.safe_words import word_error
from interlock.contracts.scratchpad import Scratchpad
from interlock.contracts.spending import Caller
from interlock.nodes.calls.budget_guard import BudgetGuard
from interlock.nodes.calls.gated_calls import build_budget_guard, gate_calls
from interlock.nodes.calls.limit_guard import find_reopening
from interlock.nodes.run.live_run import forget_cancel
from interlock.nodes.run.run_state import as_plain
from interlock.nodes.run.spent import parse_usage
from interlock.nodes.run.team import Team
from interlock.nodes.steps.output_handoff import record_output
from interlock.nodes.steps.step_brief import build_brief, find_worker
from interlock.nodes.steps.step_budget import derive_limit
from interlock.nodes.steps.step_effects import ask_about_orphans, find_unknown
from interlock.nodes.steps.step_run import StepRun, get_step_run
from interlock.nodes.steps.step_state import BRIEF, DEGRADE, FALLBACK, PARK, PROMOTE, StepState
from interlock.telemetry.events import AttemptRefused, HandoffRecorded

_FEEDBACK_CHARS: Final = 1000
_ASKED_CHARS: Final = 300
_SEEN_CHARS: Final = 400


def build_review_node(team: Team) -> Callable[[StepState], Awaitable[StepState]]:
    """Return the review node of a team's step graph."""

    async def review(state: StepState) -> StepState:
        """Decide what becomes of an attempt.

        Reads: output, brief, attempt, worker. Writes: verdict, route, usage, feedback,
        wait_until. Effects: a refused attempt is in the journal before the next one starts.
        Interrupts: none.
        """
        run = get_step_run()
        with run.spans.review(state):
            update = await _review(team, state, run)
        run.spans.end_attempt(update)
        if update["route"] == PROMOTE:
            return {**update, "reviewed_at": team.clock.now().isoformat()}
        return {**update, **record_refusal(team, {**state, **update}, run)}

    return review


async def _review(team: Team, state: StepState, run: StepRun) -> StepState:
    output = state["output"] or {}
    judge = await build_judges_guard(team, state, run)
    update: StepState
    if run.live.cancel_reason is None and (unknown := await find_unknown(state, run)):
        update = _ask_about_effect(unknown)
    elif "error" in output:
        update = _decide_on_error(team, state, run, error=output["error"])
    else:
        try:
            findings = await ask_criteria(team, state, run, output=output, guard=judge)
            reopening = find_reopening(judge.beside)
            update = _decide_on_findings(state, run, findings, reopening=reopening)
            if update["route"] == PROMOTE:
                asked = await ask_about_orphans(team, state, run)
                if asked is not None:
                    update = {**update, **asked}
        except asyncio.CancelledError:
            if run.live.cancel_reason is None:
                raise
            forget_cancel()
            update = settle_cancelled(run.live.cancel_reason, error=None)
    update = {**update, **count_judges(state, run, judge.usage)}
    update["usage"] = _add_worker(update["usage"], output)
    return update


async def build_judges_guard(team: Team, state: StepState, run: StepRun) -> BudgetGuard:
    """Return the guard of the models that judges call about an attempt."""
    caller = Caller(
        path=run.path,
        superstep=run.superstep,
        attempt=state["attempt"],
        role="judge",
        worker="judges",
    )
    return await build_budget_guard(team, run.live, caller, account=run.account)


async def ask_criteria(
    team: Team,
    state: StepState,
    run: StepRun,
    *,
    output: dict[str, Plain],
    guard: BudgetGuard,
) -> Sequence[Finding]:
    """Return the findings on an output; a cancel of the run cuts a check off, as it does a worker.

    Args:
        team: At work.
        state: The step's.
        run: The step.
        output: What is looked at.
        guard: Of the models that judges call.

    Raises:
        CancelledError: It did.
    """
    is_by_person = bool(output.get("by_person"))
    # What a person wrote after the time was over is still looked at.
    timeout = run.step.timeout or run.policy.timeout
    limit = timeout if is_by_person else derive_limit(state, run, now=team.clock.now())
    await run.notes.load()
    scratchpad = Scratchpad(run.notes.list_all(state))
    try:
        with run.live.interrupt_on_cancel(), gate_calls(guard):
            findings = await team.criteria.review(
                output["value"],
                build_brief(team, state, run, scratchpad=scratchpad),
                step=run.step,
                worker=None if is_by_person else find_worker(team, state),
                limit_seconds=None if limit is None else limit.total_seconds(),
                is_draining=lambda: run.live.drain_reason is not None,
            )
    except InterlockError as exc:  # judges that went on calling models, and were cut off
        if isinstance(exc, STORAGE_FAILURES):
            raise
        words = f"could not be decided: {word_error(exc, 500)}"
        cut_off = "can be judged within its bounds"
        return (Finding(criterion=cut_off, passed=False, message=words, kind="bounds"),)
    if guard.storage_failure is not None:  # judges only see that their model did not answer
        raise guard.storage_failure
    return findings


def _ask_about_effect(effect: EffectRecord) -> StepState:
    """Return the way to a person: whether an effect happened is not for anybody here to guess."""
    reason = f"whether {effect.describe()} happened is not known"
    question = {
        "kind": "effect",
        "reason": effect.note or "whoever began it is gone",
        "effect": {
            "key": effect.key,
            "call": effect.describe(),
            "tool": effect.tool,
            "arguments": effect.arguments,
            "began_at": effect.began_at.isoformat(),
        },
    }
    return StepState(route=PARK, verdict=dump_verdict("park", (), reason=reason), question=question)


def count_judges(state: StepState, run: StepRun, judged: Usage) -> StepState:
    """Return the cost of a step with what judges have used for its attempt so far, counted once."""
    key = {"superstep": run.superstep, "attempt": state["attempt"]}
    counted = Usage()
    if (before := state.get("judged")) and key.items() <= before.items():
        counted = Usage.model_validate(before["usage"])
    usage = Usage.model_validate(state["usage"]) + (judged - counted)
    return StepState(usage=as_plain(usage), judged={**key, "usage": as_plain(judged)})


def _add_worker(usage: dict[str, Plain], output: dict[str, Plain]) -> dict[str, Plain]:
    spent = Usage.model_validate(usage)
    if not output.get("by_person"):
        nested = parse_usage(output.get("nested_usage") or {})
        spent = spent + parse_usage(output) + nested + Usage(attempts=1)
    return as_plain(spent)


def _decide_on_findings(
    state: StepState, run: StepRun, findings: Sequence[Finding], *, reopening: datetime | None
) -> StepState:
    """Return the way of an output.

    Args:
        state: The step's.
        run: The step.
        findings: On the output.
        reopening: When judges may be asked again whose model a breaker kept from answering.
    """
    failed = [finding for finding in findings if not finding.passed]
    if not failed:
        return StepState(route=PROMOTE, verdict=dump_verdict("accept", findings))
    words = [word_finding(finding) for finding in failed]
    reason = "; ".join(words)
    if (state["output"] or {}).get("by_person"):
        verdict = dump_verdict("park", findings, reason=f"the edited output was refused: {reason}")
        question = {"kind": "output", "reason": verdict["reason"]}
        return StepState(route=PARK, verdict=verdict, question=question)
    if all(finding.asks_person for finding in failed):
        verdict = dump_verdict("park", findings, reason=reason)
        return StepState(route=PARK, verdict=verdict, question={"kind": "output", "reason": reason})
    if not any(finding.undecided for finding in failed):
        reopening = None
    way = _choose_way(state, run, reopening=reopening)
    action: VerdictAction = "retry"
    if way["route"] == FALLBACK:
        action = run.name_last_resort(state["chain"])
    feedback = [f"Attempt {state['attempt']}: {line}" for line in words]
    verdict = dump_verdict(action, findings, reason=reason)
    return {**way, **StepState(verdict=verdict, feedback=feedback)}


def _choose_way(state: StepState, run: StepRun, *, reopening: datetime | None) -> StepState:
    """Return whether a refused step is done again, and when.

    While nobody can judge it, doing it again only costs: its fallbacks are next, or else a wait.
    """
    has_attempts = state["worker_attempts"] < run.retry.max_attempts
    if not has_attempts or (reopening and run.name_last_resort(state["chain"]) == "fallback"):
        return StepState(route=FALLBACK)
    if reopening is None:
        return StepState(route=BRIEF)
    return StepState(route=BRIEF, wait_until=reopening.isoformat())


def word_finding(finding: Finding) -> str:
    """Return a finding as feedback: what was asked, what was wrong, what was seen."""
    message = finding.message
    if message and finding.criterion.startswith(message):
        message = "it is not so"  # the plan's own message is in the criterion's words already
    asked = _cut(finding.criterion, _ASKED_CHARS)  # the brief has it whole
    words = f"{asked}: {message}" if asked else message
    seen = finding.evidence
    if (quotes := list_quotes(seen)) is not None:  # the reasons are in the message already
        seen = ", ".join(repr(quote) for quote in quotes) or None
    shown = "" if seen is None else f" (saw {_cut(str(seen), _SEEN_CHARS)})"
    return _cut(words, _FEEDBACK_CHARS - len(shown)) + shown


def _cut(words: str, limit: int) -> str:
    return words if len(words) <= limit else f"{words[: limit - 4]} ..."


def _decide_on_error(
    team: Team, state: StepState, run: StepRun, *, error: dict[str, Plain]
) -> StepState:
    kind, message = str(error["type"]), str(error["message"])
    reason = message if message.startswith(f"{kind}(") else f"{kind}: {message}"
    if run.live.cancel_reason is not None:
        return settle_cancelled(run.live.cancel_reason, error=error["type"])
    feedback = [f"Attempt {state['attempt']} failed: {reason}"]
    if not error["is_permanent"] and state["worker_attempts"] < run.retry.max_attempts:
        seconds = _derive_wait_seconds(state, run, error)
        return StepState(
            route=BRIEF,
            verdict=dump_verdict("retry", (), reason=reason, error=error["type"]),
            feedback=feedback,
            wait_until=(team.clock.now() + timedelta(seconds=seconds)).isoformat(),
        )
    verdict = dump_verdict(
        run.name_last_resort(state["chain"]), (), reason=reason, error=error["type"]
    )
    return StepState(route=FALLBACK, verdict=verdict, feedback=feedback)


def settle_cancelled(reason: str, *, error: str | None) -> StepState:
    """Return the way of a step whose run was cancelled; an error is what its attempt ended with."""
    settlement = {"status": "cancelled", "reason": reason}
    verdict = dump_verdict("fail", (), reason=reason, error=error)
    return StepState(route=DEGRADE, verdict=verdict, settlement=settlement)


def _derive_wait_seconds(state: StepState, run: StepRun, error: dict[str, Plain]) -> float:
    backoff = derive_backoff_seconds(
        run.retry, attempt=state["worker_attempts"], seed=f"{run.thread_id}/{run.path}"
    )
    return max(backoff, float(error.get("retry_after_seconds") or 0.0))


def dump_verdict(
    action: VerdictAction,
    findings: Sequence[Finding],
    *,
    reason: str | None = None,
    error: str | None = None,
) -> dict[str, Plain]:
    """Return a verdict as the state holds it."""
    verdict = Verdict(action=action, findings=tuple(findings), reason=reason, error=error)
    dumped: dict[str, Plain] = verdict.model_dump(mode="json")
    return dumped


def record_refusal(team: Team, state: StepState, run: StepRun) -> StepState:
    """Put a refused attempt on its way to the journal, and tell who listens; returns when it was."""
    now = team.clock.now()
    recorded = record_output(state, run, now=now)
    run.storage.post(run.thread_id, recorded)
    reviewed = StepState(reviewed_at=now.isoformat())
    if not team.is_heard(run.thread_id):
        return reviewed
    verdict = state["verdict"] or {}
    team.emit(HandoffRecorded(thread_id=run.thread_id, at=now, handoff=recorded.handoffs[0]))
    if (state.get("settlement") or {}).get("status") == "cancelled":
        return reviewed  # cut off, not refused; that the step has settled says it
    team.emit(
        AttemptRefused(
            thread_id=run.thread_id,
            at=now,
            step_id=run.path,
            worker=WorkerName(state["worker"]),
            attempt=state["attempt"],
            action=str(verdict.get("action")),
            reason=str(verdict.get("reason")),
        )
    )
    return reviewed
