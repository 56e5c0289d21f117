"""The journal's record of what a worker handed back, with the verdict on it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from interlock.contracts.attempt_parts import ToolCall
from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import HandoffId, WorkerName, derive_handoff_id
from interlock.contracts.outcome import Usage
from interlock.contracts.plain import derive_bytes_hash, encode_plain
from interlock.contracts.storage import Batch
from interlock.nodes.run.spent import parse_usage
from interlock.nodes.steps.blaming import list_blames
from interlock.nodes.steps.step_run import StepRun
from interlock.nodes.steps.step_state import StepState


def record_output(state: StepState, run: StepRun, *, now: datetime) -> Batch:
    """Return the record of an attempt's output: its handoff, and what goes with it.

    The id is derived from the attempt, so that review and promotion may both record it and
    the journal holds it once. An output that a person decides on in a later superstep is recorded
    there once more, with the decision; what the attempt cost stands with the first record.
    """
    output = state.get("output") or {}
    by_person = bool(output.get("by_person"))
    payload = output["error"] if "error" in output else output.get("value")
    reference = output.get("value_ref")
    payloads = (encode_plain(payload),) if reference is None else ()
    brief = state.get("brief") or {}
    is_fresh = brief.get("superstep", run.superstep) == run.superstep and not by_person
    verdict = Verdict.model_validate(state["verdict"]) if state.get("verdict") else None
    is_accepted = verdict is not None and verdict.action == "accept"
    reviewed = _parse(state.get("reviewed_at")) if is_accepted else None
    handoff = Handoff(
        id=derive_handoff_id(
            run.thread_id,
            superstep=run.superstep,
            step_id=run.path,
            attempt=state["attempt"],
            kind="edited_output" if by_person else "output",
        ),
        thread_id=run.thread_id,
        superstep=run.superstep,
        kind="output",
        sender="person" if by_person else state["worker"],
        receiver="supervisor",
        step_id=run.path,
        attempt=state["attempt"],
        worker=WorkerName(state["worker"]),
        payload_hash=derive_bytes_hash(*payloads) if reference is None else reference,
        verdict=verdict,
        queued_at=(_parse(brief.get("queued_at")) if is_fresh else None) or run.queued_at,
        started_at=_parse(brief.get("started_at")),
        ended_at=_parse(output.get("ended_at")) or now,
        turn_at=_parse(brief.get("turn_at")) if is_fresh else None,
        reviewed_at=reviewed or now,
        queue_time=_count_wait(brief) if is_fresh else None,
        input_tokens=int(output.get("input_tokens", 0)) if is_fresh else 0,
        output_tokens=int(output.get("output_tokens", 0)) if is_fresh else 0,
        **_tell_of_calls(state, run, is_fresh=is_fresh),
    )
    return Batch(
        superstep=run.superstep,
        handoffs=(handoff,),
        payloads=payloads,
        tool_calls=_list_tool_calls(output, run, handoff.id) if is_fresh else (),
        blames=() if is_accepted else list_blames(state, run, at=now),
    )


def find_review(state: StepState) -> datetime | None:
    """Return when the last verdict of this superstep was reached; None if there was none."""
    return _parse(state.get("reviewed_at"))


def _tell_of_calls(state: StepState, run: StepRun, *, is_fresh: bool) -> dict[str, Any]:
    """Return that the attempt had no calls of models, if so; else storage measures them."""
    judged: Mapping[str, Any] = state.get("judged") or {}
    usage = parse_usage(state.get("output") or {}) if is_fresh else Usage()
    if (judged.get("superstep"), judged.get("attempt")) == (run.superstep, state["attempt"]):
        usage = usage + Usage.model_validate(judged["usage"])
    if usage.model_calls or usage.tokens:
        return {}
    return dict.fromkeys(("model_time", "judge_time"), timedelta()) | {"money": Decimal(0)}


def _list_tool_calls(
    output: Mapping[str, Any], run: StepRun, handoff_id: HandoffId
) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(
            thread_id=run.thread_id,
            handoff_id=handoff_id,
            ordinal=ordinal,
            tool=call["tool"],
            started_at=datetime.fromisoformat(call["started_at"]),
            ended_at=datetime.fromisoformat(call["ended_at"]),
            error=call["error"],
        )
        for ordinal, call in enumerate(output.get("tool_calls") or ())
    )


def _count_wait(brief: Mapping[str, Any]) -> timedelta | None:
    begun, turn = _parse(brief.get("waited_from")), _parse(brief.get("turn_at"))
    return None if begun is None or turn is None else turn - begun


def _parse(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
