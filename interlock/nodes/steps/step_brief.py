"""The brief node: decides whether a worker may start, and hands it its brief.

Called first in a step's life and again before every further attempt. It also takes up a
step that waited for a person, at the point where it stopped.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from interlock.contracts.big_values import is_shortened
from interlock.contracts.brief import Brief, Scratchpad
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import WorkerName, derive_handoff_id
from interlock.contracts.outcome import Usage
from interlock.contracts.plain import Plain, derive_bytes_hash, encode_plain, freeze
from interlock.contracts.question import Answer
from interlock.contracts.storage import Batch
from interlock.contracts.worker import Worker
from interlock.criteria import CelError, evaluate_condition
from interlock.nodes.run.board import SuspendedError
from interlock.nodes.run.spent import Spent
from interlock.nodes.run.step_needs import list_needs
from interlock.nodes.run.team import Team
from interlock.nodes.steps.effect_answers import take_answer
from interlock.nodes.steps.promoting import get_facts, list_uses, look_again
from interlock.nodes.steps.step_budget import derive_limit, find_exhausted, find_low, word_lack
from interlock.nodes.steps.step_effects import ask_about_orphans, list_standing, word_standing
from interlock.nodes.steps.step_limits import find_open_breaker, take_turn
from interlock.nodes.steps.step_run import StepRun, get_step_run
from interlock.nodes.steps.step_state import FALLBACK, PARK, PROMOTE, REVIEW, StepState
from interlock.telemetry.events import AttemptStarted, HandoffRecorded
from interlock.telemetry.spans import SPAN


def build_brief_node(team: Team) -> Callable[[StepState], Awaitable[StepState]]:
    """Return the brief node of a team's step graph."""

    async def brief(state: StepState) -> StepState:
        """Prepare the next attempt, or take up the step where an answer left it.

        Reads: assignment, attempt, worker, feedback, wait_until, and the scratchpad. Writes: brief,
        attempt, worker, route and what an answer changes. Effects: the brief is on its way to the
        journal, and the worker node waits until it is there (I8); waits for the backoff and for the
        worker's slot. Interrupts: none.
        """
        run = get_step_run()
        update: StepState = StepState()
        if "attempt" not in state:
            update = _take_up(state, run, happened=await take_answer(state, run))
            if update.get("route") == PROMOTE:
                asked = await ask_about_orphans(team, {**state, **update}, run)
                if asked is not None:
                    update = {**update, **asked}
        if "route" in update:
            return update
        merged: StepState = {**state, **update}
        if (stop := await _find_stop(team, merged, run)) is not None:
            return {**update, **stop}
        turn_at = team.clock.now()
        update = {**update, **await _look_back(merged, run)}
        if (stop := _find_exhausted_budget(team, merged, run)) is not None:
            return {**update, **stop}  # used up, or passed, while this one looked
        return {**update, **_hand_over(team, {**merged, **update}, run, turn_at=turn_at)}

    return brief


async def _look_back(state: StepState, run: StepRun) -> StepState:
    """Return what the next attempt is told of those before it on this branch, and of others' doing.

    Their effects that stand; and a new snapshot of its facts, if somebody has changed one.
    """
    standing: list[str] = []
    if state["attempt"] == 0:
        run.notes.begin()
    else:
        await run.notes.load()
        standing = word_standing(await list_standing(state, run))
    supersteps = state["supersteps"]
    if run.superstep not in supersteps:
        supersteps = [*supersteps, run.superstep]
    update = StepState(supersteps=supersteps, standing=standing)
    if state["attempt"] > 0 and get_facts(state):
        renewed, _ = await look_again(state, run)
        if get_facts(renewed)["base"] != get_facts(state)["base"]:
            update["assignment"] = renewed["assignment"]
    return update


def build_brief(
    team: Team, state: StepState, run: StepRun, *, scratchpad: Scratchpad | None = None
) -> Brief:
    """Return the brief of the attempt that the state stands at, deep-frozen.

    Args:
        team: At work.
        state: The step's.
        run: The step, whose notes are loaded.
        scratchpad: The worker's own; if left out, one that holds what the attempt was shown (I4).
    """
    assignment = state["assignment"]
    details = state.get("brief") or {}
    deadline = details.get("deadline")
    return Brief(
        step_id=run.step.id,
        attempt=state["attempt"],
        instruction=run.step.instruction,
        inputs=freeze(assignment["inputs"]),
        context=freeze(assignment["context"]),
        criteria=team.criteria.describe(run.step, find_worker(team, state)),
        feedback=tuple(state.get("feedback", ())),
        effects=tuple(state.get("standing") or ()),
        deadline=datetime.fromisoformat(deadline) if deadline else None,
        scratchpad=Scratchpad(run.notes.list_earlier(state)) if scratchpad is None else scratchpad,
    )


def find_worker(team: Team, state: StepState) -> Worker:
    """Return the worker whose turn it is."""
    return team.spec.workers[WorkerName(state["worker"])]


def suspend(state: StepState) -> SuspendedError:
    """Return the signal that a step stops here for now, with what it has cost so far."""
    return SuspendedError(Spent(state["attempt"], Usage.model_validate(state["usage"])))


def record_brief_again(team: Team, state: StepState, run: StepRun) -> None:
    """Journal the brief of an attempt that another process handed over; harmless if it did.

    Only a saver that is not on our storage can have kept the attempt and lost its brief.
    """
    data = encode_plain(build_brief(team, state, run).dump())
    started = datetime.fromisoformat((state["brief"] or {})["started_at"])
    handoff = _record(state, run, data, started=started)
    uses = list_uses(state, run)
    run.storage.post(run.thread_id, Batch(handoffs=(handoff,), payloads=(data,), uses=uses))
    run.is_briefed = True


def _take_up(state: StepState, run: StepRun, *, happened: bool | None) -> StepState:
    """Return where a step begins: fresh, or where its carry and the answer put it.

    Args:
        state: The step's.
        run: The step.
        happened: Whether the effect that a person was asked about happened, if it is known.
    """
    assignment = state["assignment"]
    fresh = StepState(
        attempt=0,
        worker=run.step.worker,
        worker_attempts=0,
        chain=0,
        approved=False,
        feedback=[],
        supersteps=[],
        conflicts=0,
        usage=Usage().model_dump(mode="json"),
        begun_at=run.queued_at.isoformat(),
        output=None,
        wait_until=None,
    )
    carry: StepState = assignment.get("carry") or StepState()
    begun: StepState = {**fresh, **carry}
    if assignment.get("answer") is None:
        return begun
    answer = Answer.model_validate(assignment["answer"])
    kind: str = assignment["question_kind"]
    if kind == "before_step":
        return {**begun, **_apply_to_start(begun, assignment, answer)}
    if kind == "effect":
        return {
            **begun,
            **_go_on_after_effect(begun, answer, call=assignment["effect_call"], happened=happened),
        }
    if kind == "orphans":
        decision = "stand" if answer.type == "approve" else "gap"
        keys = assignment["orphan_keys"]
        orphans = {"decision": decision, "why": answer.message, "keys": keys}
        return {**begun, **StepState(route=PROMOTE, verdict=_accept(None), orphans=orphans)}
    return {**begun, **_apply_to_output(begun, answer)}


def _apply_to_start(state: StepState, assignment: dict[str, Any], answer: Answer) -> StepState:
    match answer.type:
        case "approve":
            return StepState(approved=True)
        case "edit":
            edited = {**assignment, "inputs": _restore_inputs(assignment, answer.value)}
            return StepState(approved=True, assignment=edited)
        case "respond":
            return StepState(approved=True, feedback=[*state["feedback"], _quote(answer)])
        case "reject":
            return StepState(
                route=FALLBACK, verdict=_fail(f"A person refused the step: {answer.message}")
            )


def _apply_to_output(state: StepState, answer: Answer) -> StepState:
    match answer.type:
        case "approve":
            return StepState(route=PROMOTE, verdict=_accept("approved by a person"))
        case "edit":
            before = state["output"] or {}
            kept = {name: before[name] for name in ("effects",) if name in before}
            reference = before.get("value_ref")
            if reference is not None and is_shortened(answer.value, sha256=reference):
                kept["value_ref"] = reference
            else:
                kept["value"] = answer.value
            return StepState(route=REVIEW, output={**kept, "by_person": True})
        case "respond":
            feedback = [*state["feedback"], _quote(answer)]
            return StepState(feedback=feedback, worker_attempts=0, wait_until=None)
        case "reject":
            return StepState(
                route=FALLBACK,
                chain=state["chain"] + 1,
                verdict=_fail(f"A person refused the output: {answer.message}"),
            )


def _go_on_after_effect(
    state: StepState, answer: Answer, *, call: str, happened: bool | None
) -> StepState:
    """Return where a step goes on once a person has said whether an effect happened.

    If it happened, what the worker had returned all the same is reviewed; else it tries again, and
    an attempt that was cut short for want of an answer does not count against its number. What the
    ledger heard before the person counts more.
    """
    output = state["output"] or {}
    if happened and "error" not in output and ("value" in output or "value_ref" in output):
        return StepState(route=REVIEW, output=output)
    said = {True: "happened", False: "did not happen", None: "may have happened"}[happened]
    who = "A person answered" if happened is (answer.type != "reject") else "It is recorded"
    words = f"{who}: {call} {said}."
    return StepState(
        feedback=[*state["feedback"], words],
        worker_attempts=max(0, state["worker_attempts"] - 1),
        wait_until=None,
    )


def _restore_inputs(assignment: dict[str, Any], edited: dict[str, Plain]) -> dict[str, Plain]:
    """Return edited inputs; what a person left shortened, as it was shown, is what it stands for."""
    refs = assignment.get("refs", {}).get("inputs", {})
    return {
        name: assignment["inputs"][name]
        if name in refs and is_shortened(item, sha256=refs[name])
        else item
        for name, item in edited.items()
    }


def _quote(answer: Answer) -> str:
    return f"A person answered: {answer.message}"


def _fail(reason: str) -> dict[str, Plain]:
    return {"action": "fallback", "findings": [], "reason": reason, "error": None}


def _accept(reason: str | None) -> dict[str, Plain]:
    return {"action": "accept", "findings": [], "reason": reason, "error": None}


def _find_gate(team: Team, state: StepState, run: StepRun) -> StepState | None:
    """Return the way to a person, if one must be asked before the worker starts."""
    reason = None if state["approved"] else _find_reason_to_ask(team, state, run)
    if reason is None:
        return None
    return StepState(route=PARK, question={"kind": "before_step", "reason": reason})


def _find_reason_to_ask(team: Team, state: StepState, run: StepRun) -> str | None:
    if state["attempt"] == 0 and (reason := _find_planned_reason(state, run)) is not None:
        return reason
    if state["worker_attempts"] > 0 or not run.policy.effects.ask_before_irreversible:
        return None
    tools = team.list_irreversible(WorkerName(state["worker"]))
    if not tools:
        return None
    return f"the worker may call {', '.join(tools)}, which can never be undone"


def _find_planned_reason(state: StepState, run: StepRun) -> str | None:
    """Return why the plan asks before this step, or None."""
    if run.step.approval is None:
        return None
    assignment = state["assignment"]
    inputs = assignment["inputs"]
    values = {"inputs": inputs, "context": assignment["context"]}
    try:
        if not evaluate_condition(run.step.approval, values):
            return None
        always = run.step.approval.strip() == "true"
    except CelError as exc:
        return f"{run.step.approval} could not be decided: {exc}"
    return "the plan always asks here" if always else f"{run.step.approval} is true"


def _find_exhausted_budget(team: Team, state: StepState, run: StepRun) -> StepState | None:
    """Return the way to the fallbacks, if no further attempt may start (I11)."""
    now = team.clock.now()
    if (reason := find_exhausted(state, run, now=now)) is not None:
        return StepState(route=FALLBACK, verdict={**_fail(reason), "error": "BudgetExhausted"})
    if (reason := find_low(state, run, now=now)) is not None:
        return StepState(route=FALLBACK, verdict={**_fail(reason), "error": "BudgetLow"})
    return None


async def _find_stop(team: Team, state: StepState, run: StepRun) -> StepState | None:
    """Wait until the next attempt may start, its budget reserved; or return where the step goes."""
    return (
        _find_gate(team, state, run)
        or _find_exhausted_budget(team, state, run)
        or await _wait_for_turn(team, state, run)
        or _find_exhausted_budget(team, state, run)  # used up by others, or passed, meanwhile
        or await _reserve(state, run)
    )


async def _reserve(state: StepState, run: StepRun) -> StepState | None:
    """Reserve the step's budget as a whole, or return the way to the fallbacks.

    What other steps of the run hold may return: it is waited for without a slot, so that they can
    go on. What an outer run lacks is not waited for: its steps may be waiting for this one.
    """
    worker = WorkerName(state["worker"])
    while (lack := run.account.find_opening_lack()) is not None:
        if not lack.may_return or lack.account is not run.live.account:
            reason = word_lack(run.account, lack)
            return StepState(route=FALLBACK, verdict={**_fail(reason), "error": "BudgetExhausted"})
        run.slot.give_back()
        await run.live.wait_unless_stopping(lack.account.wait_for_return())
        if run.live.is_stopping or not await run.slot.take(worker):
            raise suspend(state)
    run.account.open()
    return None


async def _wait_for_turn(team: Team, state: StepState, run: StepRun) -> StepState | None:
    """Wait for the backoff and the worker's turn, without a slot, then for a slot of the worker.

    Returns the way to the fallbacks if the worker is to be left alone, or None.
    """
    until = state.get("wait_until")
    if (stop := await find_open_breaker(team, state, run)) is not None:
        return stop
    if until:
        left = (datetime.fromisoformat(until) - team.clock.now()).total_seconds()
        if left > 0:
            run.slot.give_back()
            await run.live.wait_unless_stopping(team.clock.sleep(left))
    if run.live.is_stopping:
        raise suspend(state)
    stop = await take_turn(team, state, run)
    if stop is None and (run.live.is_stopping or not run.slot.is_held):
        raise suspend(state)
    return stop


def _hand_over(team: Team, state: StepState, run: StepRun, *, turn_at: datetime) -> StepState:
    now = team.clock.now()
    limit = derive_limit(state, run, now=now)
    details: dict[str, Plain] = {
        "queued_at": run.queued_at.isoformat(),
        "waited_from": _find_wait(state, run).isoformat(),
        "turn_at": turn_at.isoformat(),
        "started_at": now.isoformat(),
        "superstep": run.superstep,
        "deadline": None if limit is None else (now + limit).isoformat(),
    }
    begun: StepState = {**state, "attempt": state["attempt"] + 1, "brief": details}
    span = run.spans.begin_attempt(state["worker"], attempt=begun["attempt"])
    if span is not None:
        details[SPAN] = span
    data = encode_plain(build_brief(team, begun, run).dump())
    handoff = _record(begun, run, data, started=now)
    uses = list_uses(begun, run)
    needs = list_needs(run.step, run.place)
    batch = Batch(handoffs=(handoff,), payloads=(data,), uses=uses, needs=needs)
    run.storage.post(run.thread_id, batch)
    run.is_briefed = True
    run.live.count_attempt(run.path, begun["attempt"])
    worker = WorkerName(state["worker"])
    if team.is_heard(run.thread_id):
        team.emit(HandoffRecorded(thread_id=run.thread_id, at=now, handoff=handoff))
        team.emit(
            AttemptStarted(
                thread_id=run.thread_id,
                at=now,
                step_id=run.path,
                worker=worker,
                attempt=begun["attempt"],
            )
        )
    return StepState(
        attempt=begun["attempt"],
        worker_attempts=state["worker_attempts"] + 1,
        brief={**details, "hash": handoff.payload_hash},
        output=None,
        verdict=None,
        reviewed_at=None,
        wait_until=None,
        route=worker,
    )


def _find_wait(state: StepState, run: StepRun) -> datetime:
    """Return since when the next attempt waits: the last verdict, or when its step could begin."""
    reviewed = state.get("reviewed_at")
    return datetime.fromisoformat(reviewed) if reviewed else run.queued_at


def _record(state: StepState, run: StepRun, data: bytes, *, started: datetime) -> Handoff:
    return Handoff(
        id=derive_handoff_id(
            run.thread_id,
            superstep=run.superstep,
            step_id=run.path,
            attempt=state["attempt"],
            kind="brief",
        ),
        thread_id=run.thread_id,
        superstep=run.superstep,
        kind="brief",
        sender="supervisor",
        receiver=state["worker"],
        step_id=run.path,
        attempt=state["attempt"],
        worker=WorkerName(state["worker"]),
        payload_hash=derive_bytes_hash(data),
        queued_at=run.queued_at,
        started_at=started,
        ended_at=started,
    )
