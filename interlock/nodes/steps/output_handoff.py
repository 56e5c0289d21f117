"""The journal's record of what a worker handed back, with the verdict on it."""

from datetime import datetime

from interlock.contracts.handoff import Handoff, Verdict
from interlock.contracts.ids import WorkerName, derive_handoff_id
from interlock.contracts.plain import derive_bytes_hash, encode_plain
from interlock.nodes.steps.step_run import StepRun
from interlock.nodes.steps.step_state import StepState


def record_output(
    state: StepState, run: StepRun, *, now: datetime
) -> tuple[Handoff, tuple[bytes, ...]]:
    """Return the handoff of the attempt's output, and its encoded payload unless that is stored.

    The id is derived from the attempt, so that review and promotion may both record it and
    the journal holds it once.
    """
    output = state.get("output") or {}
    by_person = bool(output.get("by_person"))
    payload = output["error"] if "error" in output else output.get("value")
    reference = output.get("value_ref")
    payloads = (encode_plain(payload),) if reference is None else ()
    brief = state.get("brief") or {}
    started = brief.get("started_at")
    ended = output.get("ended_at")
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
        verdict=Verdict.model_validate(state["verdict"]) if state.get("verdict") else None,
        queued_at=run.queued_at,
        started_at=datetime.fromisoformat(started) if started else None,
        ended_at=datetime.fromisoformat(ended) if ended else now,
        input_tokens=int(output.get("input_tokens", 0)),
        output_tokens=int(output.get("output_tokens", 0)),
    )
    return handoff, payloads
