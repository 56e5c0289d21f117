"""The finish node: says honestly how a run ended (I7)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from langgraph.runtime import Runtime

from interlock.contracts.context_records import FactMark
from interlock.contracts.ids import PayloadHash, StepId, ThreadId
from interlock.contracts.outcome import RunResult, StepOutcome, Usage
from interlock.contracts.plain import Plain
from interlock.contracts.plan import TaskGraph
from interlock.contracts.storage import Batch, RunUpdate, Storage
from interlock.nodes.planning.plan_outcomes import parse_outcomes
from interlock.nodes.run.place import get_thread_id
from interlock.nodes.run.resting import load_resting
from interlock.nodes.run.run_state import RunContext, RunState, as_plain, require_schema_version
from interlock.nodes.run.team import Team

FinishNode = Callable[[RunState, Runtime[RunContext]], Awaitable[RunState]]


def build_finish_node(team: Team) -> FinishNode:
    """Return the finish node of a team's run graph."""

    async def finish(state: RunState, runtime: Runtime[RunContext]) -> RunState:
        """Sum up the run.

        Reads: plan, outcomes, failure, and what was taken back of the facts behind them. Writes: status, result. Effects: the run's status is in
        the ledger, unless it is a nested team's. Interrupts: none.
        """
        require_schema_version(state)
        thread_id = get_thread_id(runtime)
        storage = await team.open_storage()
        cancel_reason = team.find_live(thread_id, state["scope"]).cancel_reason
        resting = await _load_resting(storage, state, thread_id)
        result = build_result(state, thread_id, cancel_reason=cancel_reason, resting=resting)
        team.forget_live(thread_id, state["scope"])
        dumped = as_plain(result)
        if not state["scope"]:
            update = RunUpdate(status=result.status, result=dumped)
            await storage.commit(thread_id, Batch(run=update))
        final = list_final_steps(state)
        outputs, output_refs = _collect_outputs(state, final)
        summary: dict[str, Plain] = {
            "status": result.status,
            "reason": result.reason,
            "gaps": list(result.gaps),
            "notes": [list(note) for note in collect_notes(state)],
            "usage": result.usage.model_dump(mode="json"),
            "final_steps": final,
            "outputs": outputs,
            "output_refs": output_refs,
        }
        return RunState(status=result.status, result=summary)

    return finish


async def _load_resting(
    storage: Storage, state: RunState, thread_id: ThreadId
) -> Mapping[StepId, FactMark]:
    """Return the steps that rest on a fact that a person has taken back meanwhile."""
    if not state.get("plan"):
        return {}
    plan = TaskGraph.model_validate(state["plan"])
    return await load_resting(
        storage,
        thread_id,
        steps=plan.index_steps(),
        outcomes=parse_outcomes(state),
        scope=state["scope"],
    )


def list_final_steps(state: RunState) -> list[StepId]:
    """Return the steps that no other step needs, in plan order."""
    if not state.get("plan"):
        return []
    plan = TaskGraph.model_validate(state["plan"])
    needed = {need.step for step in plan.steps for need in step.needs}
    return [step.id for step in plan.steps if step.id not in needed]


def _collect_outputs(
    state: RunState, steps: Sequence[StepId]
) -> tuple[dict[StepId, Plain], dict[StepId, PayloadHash]]:
    """Return the outputs of steps, `{"value_ref": hash}` for the big ones, and these hashes."""
    outputs: dict[StepId, Plain] = {}
    refs: dict[StepId, PayloadHash] = {}
    for step_id in steps:
        raw = state["outcomes"].get(step_id)
        if raw is None or raw["status"] not in {"accepted", "degraded"}:
            continue
        outputs[step_id] = raw["value"]
        if raw["value_ref"] is not None:
            outputs[step_id] = {"value_ref": raw["value_ref"]}
            refs[step_id] = raw["value_ref"]
    return outputs, refs


def build_result(
    state: RunState,
    thread_id: ThreadId,
    *,
    cancel_reason: str | None = None,
    resting: Mapping[StepId, FactMark] = MappingProxyType({}),
) -> RunResult:
    """Return how a run stands; values that travel by reference are left out of `outputs`.

    Args:
        state: The run's.
        thread_id: The thread.
        cancel_reason: Why it was asked to stop, if it was.
        resting: Steps that rest on a fact which a person has taken back.
    """
    outcomes = parse_outcomes(state)
    status = _derive_status(state, outcomes, is_cancelled=cancel_reason is not None)
    return RunResult(
        status="degraded" if status == "completed" and resting else status,
        outputs={
            step: outcome.value
            for step, outcome in outcomes.items()
            if outcome.status in {"accepted", "degraded"} and outcome.value_ref is None
        },
        outcomes=outcomes,
        gaps=(*_word_plan_gaps(state), *_word_gaps(outcomes), *_word_resting(resting)),
        usage=sum(
            (outcome.usage for outcome in outcomes.values()),
            Usage.model_validate(state.get("plan_usage") or {})
            + Usage.model_validate(state.get("plan_spent") or {}),
        ),
        thread_id=thread_id,
        reason=state.get("failure") or cancel_reason,
        notes=tuple(
            f"team of step {path!r}: {words}" if path else words
            for path, words in collect_notes(state)
        ),
    )


def collect_notes(state: RunState) -> list[tuple[StepId, str]]:
    """Return what was settled for in planning, here and in teams below: whose, by path, and words."""
    own = [(StepId(""), words) for words in state.get("plan_notes") or ()]
    below = [
        (StepId(f"{step_id}/{path}" if path else step_id), words)
        for step_id, raw in state["outcomes"].items()
        for path, words in raw.get("notes", ())
    ]
    return own + below


def _derive_status(
    state: RunState, outcomes: Mapping[StepId, StepOutcome], *, is_cancelled: bool
) -> Literal["completed", "degraded", "failed", "waiting", "cancelled"]:
    statuses = {outcome.status for outcome in outcomes.values()}
    if "cancelled" in statuses or (is_cancelled and (not outcomes or _is_planning(state))):
        return "cancelled"
    if state.get("failure") is not None or statuses & {"failed", "blocked"}:
        return "failed"
    if "waiting" in statuses:
        return "waiting"
    # I7: completed only if every step was accepted, on accepted facts.
    plan = state.get("plan") or {"steps": ()}
    every = (
        not _word_plan_gaps(state)
        and bool(outcomes)
        and all(
            (outcome := outcomes.get(StepId(step["id"]))) is not None
            and outcome.status == "accepted"
            and not outcome.rests_on
            for step in plan["steps"]
        )
    )
    return "completed" if every else "degraded"


def _is_planning(state: RunState) -> bool:
    """Return whether more was to be planned: what has run is not all that was to run."""
    plan = state.get("plan") or {}
    is_wanted = state.get("plan_status") in {"missing", "invalid", "proposed"}
    return state.get("plan_gap") is None and (is_wanted or bool(plan.get("is_open")))


def _word_plan_gaps(state: RunState) -> list[str]:
    gap = state.get("plan_gap")
    cut = [] if gap is None else [f"the plan was cut short: {gap}"]
    return [*cut, *(state.get("plan_left_out") or ())]


def _word_gaps(outcomes: Mapping[StepId, StepOutcome]) -> list[str]:
    gaps: list[str] = []
    for step_id, outcome in outcomes.items():
        if outcome.status == "skipped":
            gaps.append(f"{outcome.gap} (step {step_id!r} was skipped: {outcome.reason})")
        elif outcome.status == "degraded":
            words = outcome.gap or f"settled for a declared value: {outcome.reason}"
            gaps.append(f"step {step_id!r} is degraded: {words}")
        elif outcome.status != "accepted":
            gaps.append(f"step {step_id!r} is {outcome.status}: {outcome.reason}")
        if outcome.rests_on and outcome.status in {"accepted", "degraded"}:
            names = ", ".join(repr(step) for step in outcome.rests_on)
            gaps.append(f"step {step_id!r} rests on degraded facts from {names}")
    return gaps


def _word_resting(resting: Mapping[StepId, FactMark]) -> list[str]:
    return [
        f"step {step_id!r} rests on the fact {mark.describe_cause()}"
        for step_id, mark in resting.items()
    ]
