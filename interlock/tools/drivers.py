"""Carry a guard's steps out: awaiting, or blocking the calling thread."""

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from interlock.contracts.effect_ledger import EffectLedger, Request
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.plain import Plain
from interlock.contracts.thread_call import call_in_thread
from interlock.tools.declaration import EffectDeclaration, Function, call_by_name, is_async
from interlock.tools.guard import (
    Ended,
    EndTurn,
    Pause,
    ProbeTool,
    RunTool,
    Step,
    Steps,
    TakeTurn,
)
from interlock.tools.tool_turns import CallerLeftError, ToolTurns

_LEFT: Final = "Whoever called the tool was cut off before it was run."


@dataclass(slots=True)
class Progress:
    """How far a call has come.

    Attributes:
        is_abandoned: Whether whoever asked has gone: what has not been started is not started.
    """

    is_abandoned: bool = False

    def require_caller(self) -> None:
        """Return if somebody still waits.

        Raises:
            CallerLeftError: Nobody does.
        """
        if self.is_abandoned:
            raise CallerLeftError(_LEFT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Awaiting:
    """Carries out a guard's steps by awaiting them."""

    ledger: EffectLedger
    declaration: EffectDeclaration
    run: Callable[[IdempotencyKey], Awaitable[object]]
    turns: ToolTurns
    progress: Progress

    async def carry_out(self, step: Step) -> object:
        match step:
            case Pause():
                self.progress.require_caller()
                await self.turns.clock.sleep(step.seconds)
                return None
            case RunTool() if self.progress.is_abandoned:
                return Ended(error=CallerLeftError(_LEFT))
            case RunTool():
                return await catch(self.run(step.key))
            case ProbeTool():
                return await catch(_probe(self.declaration, step))
            case TakeTurn():
                return await catch(self.turns.take(step.limit, step.turn))
            case EndTurn():
                return await catch(self.turns.end(step.turn, step.error))
            case Request():
                return await self.ledger.apply(step)
            case _:
                assert_never(step)


async def drive(
    steps: Steps,
    *,
    ledger: EffectLedger,
    declaration: EffectDeclaration,
    run: Callable[[IdempotencyKey], Awaitable[object]],
    turns: ToolTurns,
    progress: Progress,
) -> Plain:
    """Carry out a guard's steps and return its answer."""
    awaiting = _Awaiting(
        ledger=ledger, declaration=declaration, run=run, turns=turns, progress=progress
    )
    came = Ended()
    while True:
        try:
            step = _go_on(steps, came)
        except StopIteration as stop:
            return stop.value
        try:
            came = Ended(await awaiting.carry_out(step))
        except Exception as exc:  # noqa: BLE001 - the ledger's: the guard may want to know
            came = Ended(error=exc)


def _go_on(steps: Steps, came: Ended) -> Step:
    """Tell a guard what came of its last step, and return its next one."""
    return steps.send(came.value) if came.error is None else steps.throw(came.error)


async def catch(running: Awaitable[object]) -> Ended:
    """Return what came of awaiting something: nothing passes through, so that no task dies of it."""
    try:
        return Ended(await running)
    except BaseException as exc:  # noqa: BLE001 - cancellation too: the guard records what it means
        return Ended(error=exc)


async def _probe(declaration: EffectDeclaration, step: ProbeTool) -> object:
    probe = declaration.probe
    assert probe is not None  # noqa: S101 - the guard asks only where there is one
    return await await_by_name(probe, {**step.arguments, "key": step.key}, first=step.key)


async def await_by_name(function: Function, offered: Mapping[str, Any], *, first: object) -> object:
    """Do as `call_by_name` does; a sync function runs in a thread."""
    if is_async(function):
        return await call_by_name(function, offered, first=first)
    return await call_in_thread(lambda: call_by_name(function, offered, first=first))


_PAUSE: Final = threading.Event()
"""Never set: waiting for it blocks one thread for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocking:
    """Carries out a guard's steps by blocking the calling thread."""

    ledger: EffectLedger
    declaration: EffectDeclaration
    run: Callable[[IdempotencyKey], object]
    turns: ToolTurns

    def carry_out(self, step: Step) -> object:
        match step:
            case Pause():
                return _PAUSE.wait(step.seconds)
            case RunTool():
                return _catch_blocking(lambda: self.run(step.key))
            case ProbeTool():
                return _catch_blocking(lambda: _probe_blocking(self.declaration, step))
            case TakeTurn():
                return _catch_blocking(lambda: self.turns.take_blocking(step.limit, step.turn))
            case EndTurn():
                return _catch_blocking(lambda: self.turns.end_blocking(step.turn, step.error))
            case Request():
                return self.ledger.apply_blocking(step)
            case _:
                assert_never(step)


def drive_blocking(
    steps: Steps,
    *,
    ledger: EffectLedger,
    declaration: EffectDeclaration,
    run: Callable[[IdempotencyKey], object],
    turns: ToolTurns,
) -> Plain:
    """Do as `drive` does, blocking the calling thread."""
    blocking = _Blocking(ledger=ledger, declaration=declaration, run=run, turns=turns)
    came = Ended()
    while True:
        try:
            step = _go_on(steps, came)
        except StopIteration as stop:
            return stop.value
        try:
            came = Ended(blocking.carry_out(step))
        except Exception as exc:  # noqa: BLE001 - the ledger's: the guard may want to know
            came = Ended(error=exc)


def _catch_blocking(function: Callable[[], object]) -> Ended:
    try:
        return Ended(function())
    except BaseException as exc:  # noqa: BLE001 - the guard records what it means
        return Ended(error=exc)


def _probe_blocking(declaration: EffectDeclaration, step: ProbeTool) -> object:
    probe = declaration.probe
    assert probe is not None  # noqa: S101 - the guard asks only where there is one
    if is_async(probe):
        raise ConfigurationError(
            f"Tool {declaration.tool!r} is called from sync code and its probe is async. Give it a "
            "sync probe, or make the tool async."
        )
    return call_by_name(probe, {**step.arguments, "key": step.key}, first=step.key)
