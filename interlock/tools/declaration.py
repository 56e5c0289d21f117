"""What a guarded tool says of itself: how its effects are named, looked up and taken back."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from interlock.contracts.effect_ledger import Transaction
from interlock.contracts.effects import EffectKind
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.limits import Breaker, Limit, Rate, build_limit
from interlock.contracts.plain import Plain, parse_plain
from interlock.tools.parameters import IDEMPOTENCY_KEY, read_annotations

Function = Callable[..., Any]
"""Sync or async."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What a probe returns for an effect that happened, where the answer itself may be None.

    Attributes:
        answer: What the tool would have returned.
    """

    answer: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectDeclaration:
    """How a tool's effects are treated.

    Attributes:
        tool: The tool's name.
        effect: `write`: recorded and never repeated; `read`: passed through.
        probe: Looks whether an effect happened: given the key, and the tool's arguments by name,
            returns the tool's answer (or `Happened`), or None if it did not happen. Raises if it
            cannot tell.
        undo: Takes an effect back: given, by name, the tool's arguments, `answer` and a `key` of
            its own.
        natural: Whether running the tool twice does no harm.
        irreversible: Whether an effect can never be taken back.
        permanent_errors: Exceptions by which the tool says that it refuses for good.
        key_from: Which arguments name the effect, or a function of them that returns the name. Then
            equal names are one effect, however often the tool is called.
        wait: How long a duplicate waits for one that is running; the policy's if None.
        breaker: When the tool is left alone because it keeps failing; None is none.
        rate: How often it may be run; None is no limit.
        defaults: What the tool takes for arguments that are left out, where that is plain.
    """

    tool: str
    effect: EffectKind = "write"
    probe: Function | None = None
    undo: Function | None = None
    natural: bool = False
    irreversible: bool = False
    permanent_errors: tuple[type[Exception], ...] = ()
    key_from: Sequence[str] | Callable[..., object] | None = None
    wait: timedelta | None = None
    breaker: Breaker | None = None
    rate: Rate | None = None
    defaults: Mapping[str, Plain] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigurationError: The effect kind is unknown, or two settings contradict each other.
        """
        if self.effect not in {"read", "write"}:
            raise ConfigurationError(
                f"Tool {self.tool!r} declares effect={self.effect!r}. Use 'write' for a tool that "
                "changes something outside, 'read' for one that does not."
            )
        if self.irreversible and self.undo is not None:
            raise ConfigurationError(
                f"Tool {self.tool!r} is declared irreversible and has an undo. Leave one out."
            )
        if isinstance(self.key_from, str):
            raise ConfigurationError(
                f"Tool {self.tool!r} has key_from={self.key_from!r}. Give a list of argument names, "
                f"such as [{self.key_from!r}], or a function of them."
            )
        if self.key_from is not None and not callable(self.key_from) and not self.key_from:
            raise ConfigurationError(
                f"Tool {self.tool!r} has an empty key_from: all its calls would be one effect. Name "
                "the arguments that make the difference, or leave key_from out."
            )
        for function in (self.probe, self.undo):
            self._require_function(function)

    def derive_limit(self) -> Limit | None:
        """Return the tool's breaker and rate; None if it has neither."""
        return build_limit(
            f"tool/{self.tool}",
            breaker=self.breaker,
            rate=self.rate,
            ignores=self.permanent_errors,
        )

    def _require_function(self, function: Function | None) -> None:
        if function is None:
            return
        if not callable(function):
            raise ConfigurationError(
                f"Tool {self.tool!r} declares {function!r}, which cannot be called. Give a function."
            )
        if Transaction in read_annotations(getattr(function, "unguarded", function)).values():
            raise ConfigurationError(
                f"Tool {self.tool!r} declares {function!r}, which takes an il.Transaction. None is "
                "open when a probe or an undo is called: let it write by `storage.transact(...)`."
            )

    def derive_business_key(self, arguments: Mapping[str, Any]) -> object:
        """Return what `key_from` names the effect by.

        Raises:
            ConfigurationError: It names an argument that the call does not have, or nothing.
            PlainValueError: It is no plain value.
        """
        given = self.complete(arguments)
        if callable(self.key_from):
            return self._require_name(call_by_name(self.key_from, given, first=None))
        names = list(self.key_from or ())
        if missing := [name for name in names if name not in given]:
            known = ", ".join(sorted(given)) or "none"
            raise ConfigurationError(
                f"Tool {self.tool!r} takes its key from {missing[0]!r}, which the call does not "
                f"have. Its arguments: {known}."
            )
        return {name: given[name] for name in names}

    def _require_name(self, name: object) -> object:
        if inspect.iscoroutine(name):
            name.close()
            raise ConfigurationError(
                f"Tool {self.tool!r} has an async key_from. Give a sync function of the arguments."
            )
        if name is None or name == "":
            raise ConfigurationError(
                f"key_from of tool {self.tool!r} returned {name!r}, under which all its calls would "
                "be one effect. Return what names the effect, such as an order's number."
            )
        return parse_plain(name, name="what key_from returned")

    def complete(self, arguments: Mapping[str, Plain]) -> dict[str, Plain]:
        """Return a call's arguments with those that were left out."""
        return {**self.defaults, **arguments}


_NOT_GIVEN: Final = object()


def call_by_name(function: Function, offered: Mapping[str, Any], *, first: object) -> Any:  # noqa: ANN401 - the user's function
    """Call a function with those of the offered values that it has parameters for.

    A parameter annotated as IdempotencyKey gets `offered["key"]`; the first parameter that is
    required and not offered gets `first`.

    Raises:
        TypeError: Another one is required.
    """
    parameters = inspect.signature(function).parameters
    annotations = read_annotations(function)
    given: dict[str, Any] = {}
    positional: list[Any] = []
    left = first
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given.update({key: item for key, item in offered.items() if key not in given})
        elif parameter.kind is parameter.VAR_POSITIONAL:
            continue
        else:
            value = _choose(name, annotations.get(name), offered)
            if value is _NOT_GIVEN and parameter.default is parameter.empty and left is not None:
                value, left = left, None
            if value is _NOT_GIVEN:
                continue
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(value)
            else:
                given[name] = value
    return function(*positional, **given)


def _choose(name: str, annotation: object, offered: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as offered
    if annotation is IDEMPOTENCY_KEY and "key" in offered:
        return offered["key"]
    return offered.get(name, _NOT_GIVEN)


def is_async(function: Function) -> bool:
    """Return whether a function, or an object's `__call__`, is a coroutine function."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - the bound method is what is asked about
    )


__all__ = [
    "EffectDeclaration",
    "Function",
    "Happened",
    "IdempotencyKey",
    "call_by_name",
    "is_async",
]
