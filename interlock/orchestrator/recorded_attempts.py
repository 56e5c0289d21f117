"""Recorded attempts, read from the journal for a replay: the brief, the step, what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.errors import ContractError, UnknownThreadError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import PayloadHash, StepId, ThreadId, WorkerName
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.replay import NoBriefError, Recording, ReplaySide
from interlock.contracts.storage import Storage


async def load_recorded(
    storage: Storage, thread_id: str, path: str, *, attempt: int | None
) -> Recording:
    """Return a recorded attempt; the last that was reviewed if none is named.

    Args:
        storage: Where the journal lies.
        thread_id: The thread.
        path: Of the step, `outer/inner` in nested teams.
        attempt: From 1.

    Raises:
        UnknownThreadError: No run was ever started there.
        NoBriefError: There is no such attempt, or none that was reviewed.
        ContractError: Another version of interlock wrote what this one cannot read.
    """
    journal = await RecordedJournal.open(storage, thread_id)
    return await journal.load(path, attempt=attempt)


@dataclass(slots=True, kw_only=True)
class RecordedJournal:
    """A thread's journal without payloads, read once for any number of its attempts.

    Attributes:
        storage: Where it lies.
        thread_id: The thread.
        by_step: Its briefs and outputs, by the path of their step, oldest first, with their places.
        plans: Its plans, by the path of the step whose team they are for; empty for the run's own.
    """

    storage: Storage
    thread_id: ThreadId
    by_step: Mapping[str, Sequence[tuple[int, Handoff]]]
    plans: Mapping[str, Sequence[tuple[int, Handoff]]]
    _parsed: dict[PayloadHash, Mapping[StepId, Step]] = field(default_factory=dict)

    @classmethod
    async def open(cls, storage: Storage, thread_id: str) -> "RecordedJournal":
        """Read a thread's journal.

        Raises:
            UnknownThreadError: No run was ever started there.
        """
        thread = ThreadId(thread_id)
        if await storage.load_run(thread) is None:
            raise UnknownThreadError(thread_id=thread_id)
        by_step: dict[str, list[tuple[int, Handoff]]] = {}
        plans: dict[str, list[tuple[int, Handoff]]] = {}
        for place, handoff in enumerate(await storage.load_handoffs(thread)):
            if handoff.kind in {"brief", "output"}:
                by_step.setdefault(str(handoff.step_id), []).append((place, handoff))
            elif handoff.kind == "plan":
                plans.setdefault(handoff.step_id or "", []).append((place, handoff))
        return cls(storage=storage, thread_id=thread, by_step=by_step, plans=plans)

    async def load(
        self, path: str, *, attempt: int | None = None, superstep: str | None = None
    ) -> Recording:
        """Return one attempt; the last that was reviewed if none is named.

        Args:
            path: Of the step.
            attempt: From 1.
            superstep: In which it was made, where a fork has made it too.

        Raises:
            NoBriefError: There is no such attempt.
            ContractError: Another version of interlock wrote what this one cannot read.
        """
        mine = self.by_step.get(path, ())
        output = _find_output(mine, attempt=attempt, superstep=superstep)
        found = None if output is None else _find_brief(mine, output)
        if output is None or found is None:
            raise NoBriefError(
                thread_id=self.thread_id, step_id=path, attempt=attempt, known=sorted(self.by_step)
            )
        place, brief = found
        listed = ListEffects(thread_id=self.thread_id, step_id=StepId(path), answers=True)
        effects = await self.storage.ledger.apply(listed)
        return Recording(
            thread_id=self.thread_id,
            path=StepId(path),
            superstep=brief.superstep,
            attempt=brief.attempt,
            step=await self._load_step(path, before=place),
            brief=await self.storage.load_payload(self.thread_id, brief.payload_hash),
            brief_hash=brief.payload_hash,
            output=await _read_output(self.storage, output),
            effects=tuple(effect for effect in effects if effect.step_id == path),
            teams=self._list_teams(path, before=place),
        )

    def _list_teams(self, path: str, *, before: int) -> tuple[WorkerName, ...]:
        """Return the workers of the steps above, outermost first, as their last briefs name them."""
        names = path.split("/")[:-1]
        teams: list[WorkerName] = []
        for depth in range(len(names)):
            above = self.by_step.get("/".join(names[: depth + 1]), ())
            workers = [
                one.worker
                for place, one in above
                if place < before and one.kind == "brief" and one.worker is not None
            ]
            teams += workers[-1:]
        return tuple(teams)

    async def _load_step(self, path: str, *, before: int) -> Step:
        """Return the step as the plan had it that was in force when its brief was made."""
        scope, _, name = path.rpartition("/")
        for place, handoff in reversed(self.plans.get(scope, ())):
            if place > before:
                continue
            step = (await self._load_plan(handoff)).get(StepId(name))
            if step is not None:
                return step
        raise ContractError(f"The journal has no plan with the step {path!r}.")

    async def _load_plan(self, handoff: Handoff) -> Mapping[StepId, Step]:
        parsed = self._parsed.get(handoff.payload_hash)
        if parsed is None:
            held = await self.storage.load_payload(self.thread_id, handoff.payload_hash)
            try:
                parsed = TaskGraph.model_validate(held).index_steps()
            except ValidationError as exc:
                raise ContractError(
                    f"A plan of thread {self.thread_id!r} cannot be read: another version of "
                    "interlock wrote it."
                ) from exc
            self._parsed[handoff.payload_hash] = parsed
        return parsed


def _find_output(
    mine: Sequence[tuple[int, Handoff]], *, attempt: int | None, superstep: str | None
) -> Handoff | None:
    """Return the record of an attempt's output; not of what a person wrote or decided later."""
    found = [
        one
        for _, one in mine
        if one.kind == "output"
        and one.sender == one.worker
        and attempt in {None, one.attempt}
        and superstep in {None, one.superstep}
    ]
    reviewed = [one for one in found if one.turn_at is not None]
    return (reviewed or found)[-1] if found else None


def _find_brief(mine: Sequence[tuple[int, Handoff]], output: Handoff) -> tuple[int, Handoff] | None:
    same = (output.attempt, output.superstep)
    briefs = [
        (place, one)
        for place, one in mine
        if one.kind == "brief" and (one.attempt, one.superstep) == same
    ]
    return briefs[-1] if briefs else None


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
