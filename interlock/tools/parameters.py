"""A guarded function's parameters: which are arguments, and which are filled in.

Filled in are the idempotency key and the open transaction, by us, and what LangChain injects.
"""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolArg, InjectedToolCallId

from interlock.contracts.effect_ledger import Transaction
from interlock.contracts.errors import ConfigurationError, PlainValueError
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.plain import Plain, parse_plain

IDEMPOTENCY_KEY: Final[object] = IdempotencyKey
_RUNTIME_NAMES: Final = frozenset({"ToolRuntime"})


def read_annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a function's annotations, resolved where they can be."""
    target: Any = function
    if not (inspect.isfunction(target) or inspect.ismethod(target) or inspect.isclass(target)):
        target = getattr(target, "__call__", target)  # noqa: B004 - an object that can be called
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, TypeError, AttributeError):
        found: dict[str, Any] = dict(getattr(target, "__annotations__", {}))
        return {name: _resolve(value) for name, value in found.items()}


def _resolve(annotation: object) -> object:
    """Return what a written annotation stands for, as far as it concerns us."""
    if isinstance(annotation, str):
        word = annotation.rpartition(".")[2]
        return {"IdempotencyKey": IdempotencyKey, "Transaction": Transaction}.get(word, annotation)
    return annotation


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of a guarded function.

    Attributes:
        signature: As it is shown: without what we fill in.
        annotations: The same.
        key: The name of the parameter that takes the idempotency key.
        transaction: The name of the one that takes the open transaction.
        tool_call_id: The name of the one that LangChain fills with the id of the model's tool call.
        injected: Names that LangChain fills in; not part of the key.
    """

    signature: inspect.Signature
    annotations: Mapping[str, Any]
    key: str | None
    transaction: str | None
    tool_call_id: str | None
    injected: frozenset[str]

    @classmethod
    def read(cls, function: Callable[..., Any], *, name: str) -> "Parameters":
        """Read a function's parameters.

        Raises:
            ConfigurationError: Two of them take the key, or the transaction.
        """
        signature = inspect.signature(function)
        annotations = read_annotations(function)
        keys = [p for p in signature.parameters if annotations.get(p) is IDEMPOTENCY_KEY]
        lent = [p for p in signature.parameters if annotations.get(p) is Transaction]
        for found, what in ((keys, "IdempotencyKey"), (lent, "Transaction")):
            if len(found) > 1:
                raise ConfigurationError(
                    f"Tool {name!r} has the parameters {', '.join(found)}, all il.{what}. Keep one."
                )
        ours = {*keys, *lent}
        shown = [p for p in signature.parameters.values() if p.name not in ours]
        return cls(
            signature=signature.replace(parameters=shown),
            annotations={k: v for k, v in annotations.items() if k not in ours},
            key=keys[0] if keys else None,
            transaction=lent[0] if lent else None,
            tool_call_id=next(
                (p.name for p in shown if _is_call_id(annotations.get(p.name))), None
            ),
            injected=frozenset(p.name for p in shown if is_injected(annotations.get(p.name))),
        )

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        """Return the arguments of a call, by name.

        Raises:
            TypeError: They do not fit, as Python words it.
        """
        return self.signature.bind(*args, **kwargs)

    def collect_defaults(self) -> dict[str, Plain]:
        """Return what the function takes for arguments that are left out, where that is plain."""
        found: dict[str, Plain] = {}
        for name, parameter in self.signature.parameters.items():
            if name in self.injected or parameter.default is parameter.empty:
                continue
            with suppress(PlainValueError):
                found[name] = parse_plain(parameter.default)
        return found

    def select_arguments(self, bound: inspect.BoundArguments) -> dict[str, Plain]:
        """Return the plain arguments that make the key.

        One that equals its default is left out, so that a parameter added later with a default
        does not change the keys of calls that do not name it.

        Raises:
            PlainValueError: One is no plain value.
        """
        found: dict[str, Plain] = {}
        for name, value in bound.arguments.items():
            parameter = self.signature.parameters[name]
            if name in self.injected or (value is parameter.default):
                continue
            if parameter.kind is parameter.VAR_KEYWORD:
                found.update(parse_plain(value, name=name))
                continue
            plain = parse_plain(value, name=f"argument {name!r}")
            if parameter.default is not parameter.empty and _is_same(plain, parameter.default):
                continue
            found[name] = plain
        return found


def _is_same(plain: Plain, default: object) -> bool:
    """Compare with a default as JSON would: True is not 1."""
    try:
        other = parse_plain(default)
    except (TypeError, ValueError, Exception):  # noqa: BLE001 - a default that is no plain value
        return False
    return type(plain) is type(other) and bool(plain == other)


def is_injected(annotation: object) -> bool:
    """Return whether LangChain fills a parameter in, and no model sees it."""
    if annotation in {RunnableConfig, RunnableConfig | None}:
        return True
    if get_origin(annotation) is Annotated:
        extras = get_args(annotation)[1:]
        return any(_is_mark(extra, InjectedToolArg) for extra in extras)
    base = get_origin(annotation) or annotation
    if not isinstance(base, type):
        return False
    if issubclass(base, BaseCallbackManager | InjectedToolArg):
        return True
    return any(parent.__name__ in _RUNTIME_NAMES for parent in base.__mro__)


def _is_call_id(annotation: object) -> bool:
    return get_origin(annotation) is Annotated and any(
        _is_mark(extra, InjectedToolCallId) for extra in get_args(annotation)[1:]
    )


def _is_mark(extra: object, mark: type[InjectedToolArg]) -> bool:
    return isinstance(extra, mark) or (isinstance(extra, type) and issubclass(extra, mark))
