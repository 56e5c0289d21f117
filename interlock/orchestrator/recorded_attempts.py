"""Recorded attempts, read from the journal for a replay: the brief, the step, what came of it."""

from collections.abc import Sequence

from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.errors import ContractError, UnknownThreadError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import StepId, ThreadId, WorkerName
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.replay import NoBriefError, Recording, ReplaySide
from interlock.contracts.storage import Storage


async def load_recorded(
    storage: Storage,
    thread_id: str,
    path: str,
    *,
    attempt: int | None,
    superstep: str | None = None,
) -> Recording:
    """Return a recorded attempt; the last that was reviewed if none is named.

    Args:
        storage: Where the journal lies.
        thread_id: The thread.
        path: Of the step, `outer/inner` in nested teams.
        attempt: From 1.
        superstep: In which it was made, where a fork has made it too.

    Raises:
        UnknownThreadError: No run was ever started there.
        NoBriefError: There is no such attempt, or none that was reviewed.
    """
    thread = ThreadId(thread_id)
    if await storage.load_run(thread) is None:
        raise UnknownThreadError(thread_id=thread_id)
    journal = await storage.load_handoffs(thread)
    output = _find_output(journal, path, attempt=attempt, superstep=superstep)
    brief = None if output is None else _find_brief(journal, output)
    if output is None or brief is None:
        known = sorted({str(one.step_id) for one in journal if one.kind == "brief"})
        raise NoBriefError(thread_id=thread_id, step_id=path, attempt=attempt, known=known)
    step = await _load_step(storage, journal, brief)
    shown = await storage.load_payload(thread, brief.payload_hash)
    listed = ListEffects(thread_id=thread, step_id=StepId(path), answers=True)
    effects = await storage.ledger.apply(listed)
    return Recording(
        thread_id=thread,
        path=StepId(path),
        superstep=brief.superstep,
        attempt=brief.attempt,
        step=step,
        brief=shown,
        brief_hash=brief.payload_hash,
        output=await _read_output(storage, output),
        effects=tuple(effect for effect in effects if effect.step_id == path),
        teams=_list_teams(journal, brief),
    )


def _list_teams(journal: Sequence[Handoff], brief: Handoff) -> tuple[WorkerName, ...]:
    """Return the workers of the steps above, outermost first, as their last briefs name them."""
    names = str(brief.step_id).split("/")[:-1]
    workers: dict[str, WorkerName] = {}
    for handoff in journal[: journal.index(brief)]:
        if handoff.kind == "brief" and handoff.worker is not None:
            workers[str(handoff.step_id)] = handoff.worker
    paths = ("/".join(names[: depth + 1]) for depth in range(len(names)))
    return tuple(workers[path] for path in paths if path in workers)


def _find_output(
    journal: Sequence[Handoff], path: str, *, attempt: int | None, superstep: str | None
) -> Handoff | None:
    """Return the record of an attempt's output; not of what a person wrote or decided later."""
    found = [
        one
        for one in journal
        if one.kind == "output"
        and one.step_id == path
        and one.sender == one.worker
        and attempt in {None, one.attempt}
        and superstep in {None, one.superstep}
    ]
    reviewed = [one for one in found if one.turn_at is not None]
    return (reviewed or found)[-1] if found else None


def _find_brief(journal: Sequence[Handoff], output: Handoff) -> Handoff | None:
    place = (output.step_id, output.attempt, output.superstep)
    briefs = [one for one in journal if one.kind == "brief"]
    same = [one for one in briefs if (one.step_id, one.attempt, one.superstep) == place]
    return same[-1] if same else None


async def _load_step(storage: Storage, journal: Sequence[Handoff], brief: Handoff) -> Step:
    """Return the step as the plan had it that was in force when its brief was made."""
    scope, _, name = str(brief.step_id).rpartition("/")
    plans = [
        one
        for one in journal[: journal.index(brief)]
        if one.kind == "plan" and (one.step_id or "") == scope
    ]
    for handoff in reversed(plans):
        plan = TaskGraph.model_validate(
            await storage.load_payload(brief.thread_id, handoff.payload_hash)
        )
        step = plan.index_steps().get(StepId(name))
        if step is not None:
            return step
    raise ContractError(f"The journal has no plan with the step {str(brief.step_id)!r}.")


async def _read_output(storage: Storage, handoff: Handoff) -> ReplaySide:
    payload = await storage.load_payload(handoff.thread_id, handoff.payload_hash)
    verdict, worker = handoff.verdict, str(handoff.worker)
    if verdict is None:
        return ReplaySide(worker=worker, value=payload)
    if verdict.error is not None:
        words = f"{payload['type']}: {payload['message']}" if isinstance(payload, dict) else ""
        return ReplaySide(worker=worker, error=words or verdict.error, accepted=False)
    is_judged = bool(verdict.findings) or verdict.action == "accept"
    return ReplaySide(
        worker=worker,
        value=payload,
        accepted=all(one.passed for one in verdict.findings) if is_judged else None,
        findings=verdict.findings,
    )
