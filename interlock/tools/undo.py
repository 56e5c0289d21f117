"""Undo: effects of an abandoned branch are compensated, each by an effect of its own (I5).

Called by the supervisor's nodes when a step settles. An undo has a key derived from the key of what
it undoes, so it too happens at most once.
"""

import asyncio
import contextvars
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from interlock.contracts.effect_ledger import LoadEffect
from interlock.contracts.effects import EffectCall, EffectRecord
from interlock.contracts.errors import InterlockError
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.safe_words import word_error
from interlock.tools.canonical_arguments import derive_arguments_hash, derive_call_name
from interlock.tools.declaration import EffectDeclaration, Function
from interlock.tools.drivers import Progress, await_by_name, catch, drive
from interlock.tools.effect_scope import CURRENT_SCOPE, EffectScope, find_declaration
from interlock.tools.guard import Guard
from interlock.tools.guarded_call import PLAIN

_POLL_SECONDS: Final = 0.05
UNDO_MARK: Final = "undo of "
"""How the tool of an undo begins in the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """What became of an attempt to undo an effect.

    Attributes:
        effect: What was to be undone.
        problem: Why it still stands, or may; None if it was undone.
    """

    effect: EffectRecord
    problem: str | None = None


async def undo_effect(
    scope: EffectScope, effect: EffectRecord, *, limit_seconds: float | None
) -> Compensation:
    """Take an effect back; safe to repeat.

    Args:
        scope: The supervisor's.
        effect: That stands. One that still runs, cut off from its caller, is waited for a while.
        limit_seconds: How long it may take; one that takes longer goes on, and is recorded.
    """
    declaration = find_declaration(scope.declarations, effect)
    if declaration is not None and declaration.undo is not None:
        effect = await _wait_for_end(scope, effect)
    if effect.state != "done":
        known = (
            "it has not ended" if effect.state == "started" else "whether it happened is unknown"
        )
        return Compensation(effect=effect, problem=known)
    if declaration is None or declaration.undo is None:
        problem = "it cannot be undone"
        if effect.can_undo:
            problem = "its undo is not known here: name the tool in Worker(tools=[...])"
        return Compensation(effect=effect, problem=problem)
    flight = asyncio.get_running_loop().create_task(
        catch(_drive_undo(scope, effect, declaration.undo)), context=_build_context(scope)
    )
    scope.flights.add(flight)
    try:
        async with asyncio.timeout(limit_seconds):
            ended = await asyncio.shield(flight)
    except TimeoutError:
        words = f"its undo failed: it did not end within {limit_seconds} s"
        return Compensation(effect=effect, problem=words)
    if (error := ended.error) is not None:  # the user's undo: said, not raised
        kind = "" if isinstance(error, InterlockError) else f"{type(error).__name__}: "
        return Compensation(effect=effect, problem=f"its undo failed: {kind}{word_error(error)}")
    return Compensation(effect=effect)


async def _wait_for_end(scope: EffectScope, effect: EffectRecord) -> EffectRecord:
    """Return an effect as it stands once it has ended, or once it was waited for long enough."""
    limit = scope.clock.now() + timedelta(seconds=scope.wait_seconds)
    while True:
        loaded = await scope.ledger.apply(LoadEffect(thread_id=effect.thread_id, key=effect.key))
        if loaded is None:
            return effect
        if loaded.state != "started" or scope.clock.now() >= limit:
            return loaded
        await scope.clock.sleep(_POLL_SECONDS)


def _build_context(scope: EffectScope) -> contextvars.Context:
    """Return a context in which the undo's own guarded calls find the supervisor's scope."""
    context = contextvars.copy_context()
    context.run(CURRENT_SCOPE.set, scope)
    return context


async def _drive_undo(scope: EffectScope, effect: EffectRecord, undo: Function) -> None:
    own: EffectDeclaration | None = getattr(undo, "effect_declaration", None)
    function: Function = getattr(undo, "unguarded", undo)
    declaration = EffectDeclaration(
        tool=f"{UNDO_MARK}{effect.tool}",
        natural=own is not None and own.natural,
        probe=None if own is None else own.probe,
        permanent_errors=() if own is None else own.permanent_errors,
    )

    async def run(key: IdempotencyKey) -> object:
        offered = {**effect.arguments, "answer": effect.answer, "effect": effect, "key": key}
        return await await_by_name(function, offered, first=effect.answer)

    guard = Guard(
        call=_describe_undo(scope, effect, declaration),
        declaration=declaration,
        codec=PLAIN,
        now=scope.clock.now,
        wait_seconds=scope.wait_seconds,
        note=lambda record, is_duplicate: scope.note(record, is_duplicate=is_duplicate),
    )
    await drive(
        guard.steps(),
        ledger=scope.ledger,
        declaration=declaration,
        run=run,
        turns=scope.open_turns(declaration),
        progress=Progress(),
    )


def _describe_undo(
    scope: EffectScope, effect: EffectRecord, declaration: EffectDeclaration
) -> EffectCall:
    arguments = dict(effect.arguments)
    return EffectCall(
        thread_id=scope.thread_id,
        epoch=effect.epoch,
        step_id=effect.step_id,
        worker=scope.worker,
        tool=declaration.tool,
        arguments=arguments,
        arguments_hash=derive_arguments_hash(arguments),
        name=derive_call_name(
            scope.thread_id,
            epoch=effect.epoch,
            step_id=effect.step_id,
            worker="",
            tool=declaration.tool,
            arguments={"undoes": effect.key},
        ),
        attempt=scope.attempt,
        place=f"undo#{effect.key}",
        is_sole=True,
        is_fenced=scope.is_fenced,
        is_natural=declaration.natural,
        undoes=effect.key,
    )
