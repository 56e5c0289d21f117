"""A call under guard, for whoever wraps a tool: a function, a LangChain tool, a middleware."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from interlock.contracts.effect_errors import NoEffectScopeError
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.plain import Plain, parse_plain
from interlock.tools.declaration import EffectDeclaration
from interlock.tools.drivers import Progress, catch, drive, drive_blocking
from interlock.tools.effect_scope import CURRENT_SCOPE, CallPlace, EffectScope
from interlock.tools.guard import AnswerCodec, Guard

NO_KEY: Final = IdempotencyKey("")
"""What a tool that only reads gets in the place of a key."""


class PlainCodec:
    """Answers that are plain values, and are given back as such."""

    def encode(self, value: object) -> Plain:
        """Return an answer as a plain value."""
        return parse_plain(value, name="the answer")

    def decode(self, answer: Plain) -> object:
        """Return a recorded answer."""
        return answer


PLAIN: Final = PlainCodec()


async def call_guarded(
    declaration: EffectDeclaration,
    arguments: Mapping[str, Plain],
    run: Callable[[IdempotencyKey], Awaitable[object]],
    *,
    codec: AnswerCodec = PLAIN,
    tool_call_id: str | None = None,
) -> Any:  # noqa: ANN401 - the tool's answer
    """Run a tool at most once for its key, and return its recorded answer.

    Once the tool has begun, a cancelled caller does not stop it: it ends by itself, and its answer
    is recorded.

    Args:
        declaration: The tool's.
        arguments: What makes the key; plain.
        run: Runs the tool, given the key.
        codec: Of its answers.
        tool_call_id: Of the model's tool call that this delivers, if it is known.

    Raises:
        NoEffectScopeError: There is no ledger at hand.
        EffectBusyError: A duplicate is running, and did not end in time.
        EffectUnknownError: It was begun before, and nobody knows how it ended.
        KeyReusedError: The key was used with other arguments.
        BreakerOpenError: The tool has kept failing, and is left alone.
        Exception: What the tool raised, now or when it was run.
    """
    with _watched(declaration.tool):
        return await _call(declaration, arguments, run, codec=codec, tool_call_id=tool_call_id)


async def _call(
    declaration: EffectDeclaration,
    arguments: Mapping[str, Plain],
    run: Callable[[IdempotencyKey], Awaitable[object]],
    *,
    codec: AnswerCodec,
    tool_call_id: str | None,
) -> Any:  # noqa: ANN401 - the tool's answer
    if declaration.effect == "read":
        limit = declaration.derive_limit()
        if limit is None:
            return await run(NO_KEY)
        return (
            await find_scope(declaration.tool)
            .open_turns(declaration)
            .run(limit, lambda: run(NO_KEY))
        )
    prepared = _Prepared.make(declaration, arguments, codec, tool_call_id=tool_call_id)
    scope, progress = prepared.scope, Progress()

    async def run_inside(key: IdempotencyKey) -> object:
        CURRENT_SCOPE.set(prepared.lend(key))  # the flight's own context
        return await run(key)

    driving = drive(
        prepared.guard.steps(),
        ledger=scope.ledger,
        declaration=declaration,
        run=run_inside,
        turns=scope.open_turns(declaration),
        progress=progress,
    )
    flight = asyncio.ensure_future(catch(driving))
    scope.flights.add(flight)
    try:
        ended = await asyncio.shield(flight)
        if ended.error is not None:
            raise ended.error  # noqa: TRY301 - what the tool raised, once the flight has landed
    except BaseException:
        prepared.give_back()
        progress.is_abandoned = True
        raise
    return codec.decode(ended.value)


def call_guarded_blocking(
    declaration: EffectDeclaration,
    arguments: Mapping[str, Plain],
    run: Callable[[IdempotencyKey], object],
    *,
    codec: AnswerCodec = PLAIN,
    tool_call_id: str | None = None,
) -> Any:  # noqa: ANN401 - the tool's answer
    """Do as `call_guarded` does, blocking the calling thread."""
    with _watched(declaration.tool):
        return _call_blocking(declaration, arguments, run, codec=codec, tool_call_id=tool_call_id)


def _call_blocking(
    declaration: EffectDeclaration,
    arguments: Mapping[str, Plain],
    run: Callable[[IdempotencyKey], object],
    *,
    codec: AnswerCodec,
    tool_call_id: str | None,
) -> Any:  # noqa: ANN401 - the tool's answer
    if declaration.effect == "read":
        limit = declaration.derive_limit()
        if limit is None:
            return run(NO_KEY)
        turns = find_scope(declaration.tool).open_turns(declaration)
        return turns.run_blocking(limit, lambda: run(NO_KEY))
    prepared = _Prepared.make(declaration, arguments, codec, tool_call_id=tool_call_id)

    def run_inside(key: IdempotencyKey) -> object:
        token = CURRENT_SCOPE.set(prepared.lend(key))
        try:
            return run(key)
        finally:
            CURRENT_SCOPE.reset(token)

    try:
        answer = drive_blocking(
            prepared.guard.steps(),
            ledger=prepared.scope.ledger,
            declaration=declaration,
            run=run_inside,
            turns=prepared.scope.open_turns(declaration),
        )
    except BaseException:
        prepared.give_back()
        raise
    return codec.decode(answer)


@contextmanager
def _watched(tool: str) -> Iterator[None]:
    """Let the attempt's watch, if there is one, note a call of a tool."""
    scope = CURRENT_SCOPE.get()
    watch = None if scope is None else scope.watch
    if watch is None:
        yield
        return
    call = watch.begin(tool, is_guards=True)
    try:
        yield
    except BaseException as exc:
        watch.end(call, exc)
        raise
    watch.end(call)


def find_scope(tool: str) -> EffectScope:
    """Return the scope that a call is made in.

    Raises:
        NoEffectScopeError: There is none.
    """
    scope = CURRENT_SCOPE.get()
    if scope is None:
        raise NoEffectScopeError(tool=tool)
    return scope


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """A call in its scope, ready to go."""

    scope: EffectScope
    place: CallPlace
    guard: Guard

    @classmethod
    def make(
        cls,
        declaration: EffectDeclaration,
        arguments: Mapping[str, Plain],
        codec: AnswerCodec,
        *,
        tool_call_id: str | None,
    ) -> "_Prepared":
        scope = find_scope(declaration.tool)
        scope.declare(declaration)
        name = scope.derive_name(declaration, arguments)
        place = scope.take_place(name, tool_call_id=tool_call_id)
        wait = declaration.wait
        guard = Guard(
            call=scope.describe_call(declaration, arguments, place, name=name),
            declaration=declaration,
            codec=codec,
            now=scope.clock.now,
            wait_seconds=scope.wait_seconds if wait is None else wait.total_seconds(),
            note=lambda record, is_duplicate: scope.note(record, is_duplicate=is_duplicate),
        )
        return cls(scope=scope, place=place, guard=guard)

    def lend(self, key: IdempotencyKey) -> EffectScope:
        """Return the scope for the tool's own calls.

        Raises:
            AttemptOverError: The attempt has ended: the tool is not run.
        """
        self.scope.require_open(self.guard.call.tool)
        return self.scope.lend(key)

    def give_back(self) -> None:
        self.scope.give_back(self.place)
