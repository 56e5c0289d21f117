"""`@idempotent`: a function whose effects happen at most once a key."""

import contextvars
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import update_wrapper
from typing import Any, ParamSpec, TypeVar, cast, get_type_hints

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from interlock.contracts.effect_errors import (
    EffectBusyError,
    NotAppliedError,
)
from interlock.contracts.effect_ledger import Reservation, RunInTransaction, Transaction
from interlock.contracts.effects import EffectKind
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.limits import Breaker, Rate
from interlock.contracts.plain import Plain, parse_plain
from interlock.tools.declaration import EffectDeclaration, Function, is_async
from interlock.tools.guard import AnswerCodec, refuse_to_guess
from interlock.tools.guarded_call import PLAIN, call_guarded, call_guarded_blocking, find_scope
from interlock.tools.parameters import Parameters
from interlock.tools.recorded_errors import find_final_error, rebuild_error

P = ParamSpec("P")
R = TypeVar("R")


def idempotent(  # noqa: PLR0913 - one word each for what a tool can say of itself
    *,
    effect: EffectKind = "write",
    probe: Function | None = None,
    undo: Function | None = None,
    natural: bool = False,
    irreversible: bool = False,
    permanent_errors: Sequence[type[Exception]] = (),
    key_from: Sequence[str] | Callable[..., object] | None = None,
    wait: timedelta | None = None,
    breaker: Breaker | None = None,
    rate: Rate | None = None,
    name: str | None = None,
) -> Callable[[Callable[P, R]], Callable[..., R]]:
    """Return a decorator that guards a tool: at most one effect a key, and one answer for all.

    The function may be sync or async, and is called as before: in a worker, or by an agent that has
    it among its tools. A parameter annotated `il.IdempotencyKey` is filled in and hidden from
    callers and models; pass it on to whatever takes one. A sync function with a parameter annotated
    `il.Transaction` runs inside the storage's open transaction: what it writes there and the
    ledger's record are committed together, exactly once.

    What the function raises says what became of the effect: NotAppliedError, that nothing happened
    and it may be run again; PermanentError, ToolException, ValueError, TypeError, LookupError and
    the like, or one of `permanent_errors`, that it is refused, which duplicates are told too; any
    other leaves it open. Then `probe` is asked; without one the tool is run again only if it is
    `natural`, else a person is asked.

    Args:
        effect: `write`, or `read` for a tool that changes nothing and is passed through.
        probe: Looks whether an effect happened: `probe(key)`, with the tool's arguments by name if
            it has such parameters. Returns the tool's answer, or `il.Happened(answer)`, or None if
            it did not happen; raises if it cannot tell.
        undo: Takes an effect back, once its step is abandoned for good: given, by name, the tool's
            arguments, its `answer` and a `key` of its own.
        natural: Whether running the tool twice does no harm.
        irreversible: Whether an effect can never be taken back.
        permanent_errors: More exceptions by which the tool refuses for good.
        key_from: Which arguments name the effect, or a function of them: then equal names are one
            effect, and other arguments under the same name are refused.
        wait: How long a duplicate waits for one that is running; the policy's if left out.
        breaker: When the tool is left alone because it keeps failing: calls are refused with a
            BreakerOpenError, before anything happens. Also for tools that only read.
        rate: How often it may be run; calls wait for their turn. The same.
        name: The tool's name in the ledger; the function's if left out.

    Raises:
        ConfigurationError: The declaration cannot work.
    """

    def decorate(function: Callable[P, R]) -> Callable[..., R]:
        declaration = EffectDeclaration(
            tool=name or str(getattr(function, "__name__", type(function).__name__)),
            effect=effect,
            probe=probe,
            undo=undo,
            natural=natural,
            irreversible=irreversible,
            permanent_errors=tuple(permanent_errors),
            key_from=key_from,
            wait=wait,
            breaker=breaker,
            rate=rate,
        )
        return cast("Callable[..., R]", _wrap(function, declaration))

    return decorate


def _wrap(function: Callable[..., Any], declaration: EffectDeclaration) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"Tool {declaration.tool!r} is a generator: calling it runs nothing yet, so there is "
            "nothing to guard. Guard a function that does its work and returns."
        )
    parameters = Parameters.read(function, name=declaration.tool)
    tool = _GuardedFunction(
        function=function,
        declaration=replace(declaration, defaults=parameters.collect_defaults()),
        parameters=parameters,
        codec=_build_codec(function),
    )
    if parameters.transaction is not None:
        wrapper = tool.build_same_database()
    elif is_async(function):
        wrapper = tool.build_async()
    else:
        wrapper = tool.build_blocking()
    marked: Any = update_wrapper(wrapper, function)
    del marked.__wrapped__  # through it, signatures would show what is filled in
    marked.__signature__ = parameters.signature
    marked.__annotations__ = dict(parameters.annotations)
    marked.effect_declaration = tool.declaration
    marked.unguarded = function
    return cast("Callable[..., Any]", marked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _GuardedFunction:
    """A function under guard, in the form that suits it."""

    function: Callable[..., Any]
    declaration: EffectDeclaration
    parameters: Parameters
    codec: AnswerCodec

    def build_async(self) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's
            bound, arguments, call_id = self._bind(args, kwargs)
            return await call_guarded(
                self.declaration,
                arguments,
                lambda key: self.function(*bound.args, **self._fill_in(bound, key)),
                codec=self.codec,
                tool_call_id=call_id,
            )

        return call

    def build_blocking(self) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's
            bound, arguments, call_id = self._bind(args, kwargs)
            return call_guarded_blocking(
                self.declaration,
                arguments,
                lambda key: self._refuse_coroutine(
                    self.function(*bound.args, **self._fill_in(bound, key))
                ),
                codec=self.codec,
                tool_call_id=call_id,
            )

        return call

    def _refuse_coroutine(self, value: object) -> object:
        """Return a value, unless it is a coroutine: then the function has not run at all.

        Raises:
            NotAppliedError: It is one.
        """
        if not inspect.iscoroutine(value):
            return value
        value.close()
        raise NotAppliedError(
            f"Tool {self.declaration.tool!r} is a sync function that returned a coroutine, so "
            "nothing was run. Make it `async def`, also what wraps it: a decorator around an async "
            "function must be async too."
        )

    def build_same_database(self) -> Callable[..., Any]:
        if is_async(self.function):
            raise ConfigurationError(
                f"Tool {self.declaration.tool!r} is async and takes an il.Transaction, which stays "
                "open only while a sync function runs. Make the tool sync."
            )
        if self.declaration.effect == "read":
            raise ConfigurationError(
                f"Tool {self.declaration.tool!r} takes an il.Transaction and declares "
                "effect='read'. A tool that only reads needs none; leave effect out."
            )
        if self.declaration.derive_limit() is not None:
            raise ConfigurationError(
                f"Tool {self.declaration.tool!r} takes an il.Transaction and declares a breaker or a "
                "rate. It writes to the storage alone, which has neither; leave them out."
            )

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's
            bound, arguments, call_id = self._bind(args, kwargs)
            return self._run_in_transaction(bound, arguments, call_id)

        return call

    def _run_in_transaction(
        self, bound: inspect.BoundArguments, arguments: Mapping[str, Plain], call_id: str | None
    ) -> Any:  # noqa: ANN401 - the function's
        scope = find_scope(self.declaration.tool)
        scope.declare(self.declaration)
        name = scope.derive_name(self.declaration, arguments)
        place = scope.take_place(name, tool_call_id=call_id)
        context = contextvars.copy_context()

        def run(transaction: Transaction, key: IdempotencyKey) -> Plain:
            scope.require_open(self.declaration.tool)
            filled = self._fill_in(bound, key, transaction)
            return self.codec.encode(context.run(self.function, *bound.args, **filled))

        request = RunInTransaction(
            call=scope.describe_call(self.declaration, arguments, place, name=name),
            function=run,
            is_final=lambda exc: find_final_error(exc, self.declaration),
        )
        try:
            reservation: Reservation = scope.ledger.apply_blocking(request)
            record = reservation.record
            scope.note(record, is_duplicate=not reservation.did_run)
            self._require_ended(reservation)
        except BaseException:
            scope.give_back(place)
            raise
        if record.error is not None:
            scope.give_back(place)
            raise rebuild_error(record, self.declaration)
        return self.codec.decode(record.answer)

    def _require_ended(self, reservation: Reservation) -> None:
        """Return if an effect has ended, as all do that are made in the storage's transaction.

        Raises:
            EffectBusyError: It is running: the tool was another kind when it was called first.
            EffectUnknownError: The same, and nobody knows how it ended.
        """
        record = reservation.record
        if reservation.decision == "running":
            raise EffectBusyError(tool=record.tool, key=record.key, seconds=0.0)
        if reservation.decision == "unknown":
            raise refuse_to_guess(record)

    def _bind(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[inspect.BoundArguments, dict[str, Plain], str | None]:
        bound = self.parameters.bind(args, kwargs)
        is_read = self.declaration.effect == "read"
        arguments = {} if is_read else self.parameters.select_arguments(bound)
        call_id = self.parameters.tool_call_id
        return bound, arguments, bound.arguments.get(call_id) if call_id is not None else None

    def _fill_in(
        self,
        bound: inspect.BoundArguments,
        key: IdempotencyKey,
        transaction: Transaction | None = None,
    ) -> dict[str, Any]:
        filled = dict(bound.kwargs)
        if self.parameters.key is not None:
            filled[self.parameters.key] = key
        if self.parameters.transaction is not None:
            filled[self.parameters.transaction] = transaction
        return filled


class _TypedCodec:
    """Answers of a declared type: recorded as plain values, given back as the type."""

    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        self._adapter = adapter

    def encode(self, value: object) -> Plain:
        return parse_plain(value, name="the answer")

    def decode(self, answer: Plain) -> object:
        try:
            return self._adapter.validate_python(answer)
        except ValidationError:
            return answer  # the function returned something else than it says; so be it


def _build_codec(function: Callable[..., Any]) -> AnswerCodec:
    """Return the codec for what a function says it returns."""
    try:
        annotation = get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):
        return PLAIN
    if annotation in {None, Any, type(None), dict, list, str, int, float, bool, object}:
        return PLAIN
    try:
        return _TypedCodec(TypeAdapter(cast("Any", annotation)))
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError):
        return PLAIN
