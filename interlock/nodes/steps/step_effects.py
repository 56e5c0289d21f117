"""A step's effects, as the supervisor sees them: what stands, what was in vain, what is taken back.

Called by the step graph's nodes. The ledger keeps the effects themselves; which attempts of this
step, on this branch, called for them is told by the attempts' paths.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from interlock.contracts.effect_ledger import ListEffects, LoadEffect
from interlock.contracts.effects import EffectRecord, EffectUse, sort_for_undo
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import IdempotencyKey, WorkerName, derive_handoff_id
from interlock.contracts.plain import Plain, derive_hash
from interlock.nodes.calls.breaker_notice import build_notice
from interlock.nodes.run.team import Team
from interlock.nodes.steps.step_run import CURRENT_STEP, StepRun
from interlock.nodes.steps.step_state import PARK, StepState
from interlock.telemetry.events import EffectRecorded
from interlock.tools.effect_scope import CURRENT_SCOPE, WITHIN, EffectScope, find_declaration
from interlock.tools.undo import undo_effect

_LONGEST_UNDO: Final = timedelta(minutes=1)
"""How long an undo may take where no timeout says it; one that takes longer goes on."""

_ROOT_PLACE = "#"
"""How the places of calls begin that a worker makes itself, in no task below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectReport:
    """What a step leaves behind, for the journal.

    Attributes:
        undone: Effects that were taken back.
        left: Effects that stand in vain, or may, each with the reason.
        reused: Effects that were made on another branch, and answered for here.
    """

    undone: Sequence[EffectRecord] = ()
    left: Sequence[tuple[EffectRecord, str]] = ()
    reused: Sequence[EffectRecord] = ()

    def __bool__(self) -> bool:
        """Return whether there is anything to say."""
        return bool(self.undone or self.left or self.reused)

    @property
    def words(self) -> tuple[str, ...]:
        """What stands in vain, one line each."""
        return tuple(
            f"{effect.describe()} {'stands' if effect.state == 'done' else 'may stand'}: {why}"
            for effect, why in self.left
        )

    @property
    def summary(self) -> str:
        """How many of each, in a few words."""
        counted = {
            "undone": self.undone,
            "left": self.left,
            "answered from another branch": self.reused,
        }
        return ", ".join(f"{len(found)} {word}" for word, found in counted.items() if found)

    def dump(self) -> dict[str, Plain]:
        """Return it as the journal's payload."""
        return {
            "undone": [_dump(effect) for effect in self.undone],
            "left": [{**_dump(effect), "why": why} for effect, why in self.left],
            "answered_from_other_branch": [_dump(effect) for effect in self.reused],
        }


def _dump(effect: EffectRecord) -> dict[str, Plain]:
    return {
        "key": effect.key,
        "call": effect.describe(),
        "state": effect.state,
        "attempts": [use.attempt for use in effect.uses],
    }


def derive_attempt(state: StepState, run: StepRun) -> str:
    """Return the attempt that a step stands at, by path.

    It tells nested teams' attempts apart by those above them, and names the superstep in which the
    attempt was made, also once the step goes on in another.
    """
    return f"{_derive_base(run)}@{state['supersteps'][-1]}#{state['attempt']}"


def _derive_base(run: StepRun) -> str:
    return f"{run.outer_attempt}/{run.step.id}" if run.outer_attempt else str(run.step.id)


def open_scope(team: Team, state: StepState, run: StepRun, *, namespace: str) -> EffectScope:
    """Return the scope in which a worker's guarded calls find their ledger.

    Args:
        team: At work.
        state: The step's, at the attempt.
        run: The step.
        namespace: The worker's own checkpoint namespace.
    """
    return _build_scope(
        team,
        state,
        run,
        worker=WorkerName(state["worker"]),
        attempt=derive_attempt(state, run),
        namespace=namespace,
    )


def _build_scope(
    team: Team, state: StepState, run: StepRun, *, worker: WorkerName, attempt: str, namespace: str
) -> EffectScope:
    loop = asyncio.get_running_loop()
    number = state["attempt"]

    def emit(record: EffectRecord, is_duplicate: bool) -> None:  # noqa: FBT001 - a Notice
        event = EffectRecorded(
            thread_id=run.thread_id,
            at=team.clock.now(),
            step_id=run.path,
            attempt=number,
            tool=record.tool,
            key=record.key,
            state=record.state,
            is_duplicate=is_duplicate,
        )
        if not loop.is_closed():
            loop.call_soon_threadsafe(team.emit, event)  # a sync tool runs in a thread

    ledger = run.storage.ledger
    return EffectScope(
        ledger=ledger,
        flights=ledger.flights,
        thread_id=run.thread_id,
        epoch=run.epoch,
        step_id=run.path,
        worker=worker,
        attempt=attempt,
        namespace=namespace,
        is_own=run.step.effect_keys == "worker",
        is_fenced=True,
        clock=team.clock,
        wait_seconds=run.policy.effects.wait.total_seconds(),
        declarations=team.tools,
        limits=run.storage.limits,
        breaker_notice=build_notice(team, run.thread_id),
        notice=emit if team.is_heard(run.thread_id) else None,
    )


def sum_up(scope: EffectScope, *, is_rerun: bool) -> dict[str, Plain] | None:
    """Return what an attempt's envelope says of its effects; None if it called for none.

    Args:
        scope: The attempt's.
        is_rerun: Whether the attempt was begun before, by this process or another.
    """
    if not scope.touched and not is_rerun:
        return None
    return {
        "touched": list(scope.touched),
        "unknown": [key for key, effect in scope.touched.items() if effect.state == "unknown"],
        "answered": sorted(scope.answered),
        "is_rerun": is_rerun,
    }


async def find_unknown(state: StepState, run: StepRun) -> EffectRecord | None:
    """Return an effect of the last attempt whose outcome nobody knows, or None."""
    noted = (state.get("output") or {}).get("effects") or {}
    for key in noted.get("unknown", ()):
        effect = await run.storage.ledger.apply(LoadEffect(thread_id=run.thread_id, key=key))
        if effect is not None and effect.state == "unknown":
            return effect
    return None


async def list_standing(state: StepState, run: StepRun) -> list[EffectRecord]:
    """Return what this step's attempts on this branch changed and still stands, oldest first."""
    listed = await run.storage.ledger.apply(ListEffects(thread_id=run.thread_id, step_id=run.path))
    return _select_standing(listed, state, run)


def _select_standing(
    effects: Iterable[EffectRecord], state: StepState, run: StepRun
) -> list[EffectRecord]:
    return [
        effect
        for effect in effects
        if effect.stands and any(_is_own(use, state, run) for use in effect.uses)
    ]


def _is_own(use: EffectUse, state: StepState, run: StepRun) -> bool:
    base = _derive_base(run)
    return any(use.attempt.startswith(f"{base}@{one}#") for one in state["supersteps"])


def word_standing(effects: Iterable[EffectRecord]) -> list[str]:
    """Return standing effects for the brief of a later attempt, one line each."""
    words: list[str] = []
    for effect in effects:
        ending = {
            "done": "is done. The same call again is answered, not repeated",
            "started": "was begun and has not ended yet",
            "unknown": "was begun; whether it happened is not known",
        }[effect.state]
        words.append(f"{effect.describe()} {ending}.")
    return words


async def find_orphans(state: StepState, run: StepRun) -> list[EffectRecord]:
    """Return the effects that stand and that the accepted attempt did not call for.

    Those of earlier attempts; and where the accepted attempt itself was begun more than once, those
    that its worker called for before and not when it ran to its end.
    """
    noted = (state.get("output") or {}).get("effects") or {}
    if state["attempt"] <= 1 and not noted.get("is_rerun"):
        return []
    accepted = derive_attempt(state, run)
    listed = await run.storage.ledger.apply(ListEffects(thread_id=run.thread_id, step_id=run.path))
    repeated = _find_repeated(listed, accepted, noted.get("touched", ()))
    return [effect for effect in _select_standing(listed, state, run) if effect.key not in repeated]


def _find_repeated(
    effects: Sequence[EffectRecord], accepted: str, touched: Collection[IdempotencyKey]
) -> set[IdempotencyKey]:
    """Return the effects that an attempt called for, and those that are parts of them.

    A tool that was answered from the ledger did not make its own calls again.
    """
    found = {
        effect.key
        for effect in effects
        if any(_is_repeated(effect, use, accepted, touched) for use in effect.uses)
    }
    parts = {effect.key: {_find_whole(use) for use in effect.uses} for effect in effects}
    grew = True
    while grew:
        more = {key for key, wholes in parts.items() if key not in found and wholes & found}
        found |= more
        grew = bool(more)
    return found


def _find_whole(use: EffectUse) -> IdempotencyKey | None:
    """Return the effect whose tool made a call, or None if the worker made it itself."""
    whole, mark, _ = use.place.partition(WITHIN)
    return IdempotencyKey(whole) if mark else None


def _is_repeated(
    effect: EffectRecord, use: EffectUse, accepted: str, touched: Collection[IdempotencyKey]
) -> bool:
    if use.attempt != accepted:
        return use.attempt.startswith(f"{accepted}/")
    if effect.key in touched:
        return True
    return not use.place.startswith(_ROOT_PLACE) and _find_whole(use) is None


async def ask_about_orphans(team: Team, state: StepState, run: StepRun) -> StepState | None:
    """Return the way to a person if effects stand in vain that nothing takes back, or None."""
    if run.policy.effects.orphans != "ask" or state.get("orphans"):
        return None
    orphans = await find_orphans(state, run)
    own = [effect for effect in orphans if _is_own(effect.uses[0], state, run)]
    left = [e for e in own if not _can_undo(team, e)]
    if not left:
        return None
    question: dict[str, Plain] = {
        "kind": "orphans",
        "reason": "effects of refused attempts stand, and the accepted attempt did not repeat them",
        "effects": [_dump(effect) for effect in left],
    }
    return StepState(route=PARK, question=question)


def _can_undo(team: Team, effect: EffectRecord) -> bool:
    declaration = find_declaration(team.tools, effect)
    return effect.state == "done" and declaration is not None and declaration.undo is not None


async def settle_effects(
    team: Team, state: StepState, run: StepRun, *, is_accepted: bool
) -> EffectReport:
    """Take back what stands in vain, last first, and say what is left; safe to repeat.

    Args:
        team: At work.
        state: The step's.
        run: The step.
        is_accepted: Whether the last attempt's output counts, and its effects with it; if not, the
            branch is abandoned and none of its effects is wanted.
    """
    if state.get("attempt", 0) == 0:
        return EffectReport()
    reused = await _find_reused(state, run)
    standing = await (find_orphans(state, run) if is_accepted else list_standing(state, run))
    # What another branch began is that branch's to take back.
    in_vain = [effect for effect in standing if _is_own(effect.uses[0], state, run)]
    decision = state.get("orphans") or {}
    if decision.get("decision") == "stand":
        in_vain = [effect for effect in in_vain if effect.key not in decision["keys"]]
    if not in_vain and is_accepted and state["attempt"] <= 1:
        return EffectReport(reused=reused)
    scope = _build_scope(
        team,
        state,
        run,
        worker=WorkerName("supervisor"),
        attempt=f"{_derive_base(run)}@{run.superstep}#undo",
        namespace="",
    )
    undone = await _list_undone(run, scope) if state["attempt"] > 1 or not is_accepted else []
    left: list[tuple[EffectRecord, str]] = []
    for effect in sort_for_undo(in_vain):
        problem = await _undo(run, scope, effect)
        if problem is None:
            undone.append(effect)
        else:
            why = decision.get("why")
            left.append((effect, f"{problem}{f' ({why})' if why else ''}"))
    return EffectReport(undone=undone, left=left, reused=reused)


async def _undo(run: StepRun, scope: EffectScope, effect: EffectRecord) -> str | None:
    """Take one effect back, out of sight of the step; returns why it still stands, if it does."""
    timeout = run.step.timeout or run.policy.timeout or _LONGEST_UNDO
    token, scope_token = CURRENT_STEP.set(None), CURRENT_SCOPE.set(None)
    try:
        result = await undo_effect(scope, effect, limit_seconds=timeout.total_seconds())
    finally:
        CURRENT_SCOPE.reset(scope_token)
        CURRENT_STEP.reset(token)
    return result.problem


async def _list_undone(run: StepRun, scope: EffectScope) -> list[EffectRecord]:
    """Return what was taken back before this settlement was cut off and begun again."""
    listed = await run.storage.ledger.apply(ListEffects(thread_id=run.thread_id, step_id=run.path))
    undone = {
        effect.undoes
        for effect in listed
        if effect.state == "done" and any(use.attempt == scope.attempt for use in effect.uses)
    }
    return [effect for effect in listed if effect.key in undone]


async def settle_cut_off(
    team: Team, run: StepRun, *, attempts: int, carry: Mapping[str, Any] | None
) -> tuple[EffectReport, tuple[Handoff, ...]]:
    """Take back what a step did that was cut off, and never reached its graph's end.

    Args:
        team: At work.
        run: The step.
        attempts: How many it has had.
        carry: What it was to go on with, if it waited for a person.
    """
    before: Sequence[str] = (carry or {}).get("supersteps") or ()
    state = StepState(
        assignment={},
        attempt=attempts,
        worker=str((carry or {}).get("worker") or run.step.worker),
        supersteps=[*before, run.superstep],
    )
    report = await settle_effects(team, state, run, is_accepted=False)
    return report, record_effects(team, state, run, report)


async def _find_reused(state: StepState, run: StepRun) -> list[EffectRecord]:
    """Return the effects that a fork was answered for: none of this branch's attempts began them."""
    noted = (state.get("output") or {}).get("effects") or {}
    found: list[EffectRecord] = []
    for key in noted.get("answered", ()):
        effect = await run.storage.ledger.apply(LoadEffect(thread_id=run.thread_id, key=key))
        if effect is not None and not _is_own(effect.uses[0], state, run):
            found.append(effect)
    return found


def record_effects(
    team: Team, state: StepState, run: StepRun, report: EffectReport
) -> tuple[Handoff, ...]:
    """Return the journal's record of what a step leaves behind; none if it leaves nothing."""
    if not report:
        return ()
    payload = report.dump()
    handoff = Handoff(
        id=derive_handoff_id(
            run.thread_id,
            superstep=run.superstep,
            step_id=run.path,
            attempt=state["attempt"],
            kind="effects",
        ),
        thread_id=run.thread_id,
        superstep=run.superstep,
        kind="effects",
        sender="supervisor",
        receiver="supervisor",
        step_id=run.path,
        attempt=state["attempt"],
        worker=WorkerName(state["worker"]),
        payload=payload,
        payload_hash=derive_hash(payload),
        status=report.summary,
        ended_at=team.clock.now(),
    )
    return (handoff,)
