"""What a worker could read: every text in the data that hangs together with some values.

Walks attributes, items and bound arguments, private ones included. Not walked: code (modules,
classes, functions with their closures), the machinery of the event loop and of threads. No
process can hide from its own code what these hold.
"""

import asyncio
import functools
import threading
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_CODE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.CodeType,
    types.FrameType,
    types.TracebackType,
    types.CoroutineType,
    types.GeneratorType,
)
_MACHINERY = (asyncio.AbstractEventLoop, asyncio.Future, threading.Thread)


def find_texts(*roots: Any) -> Iterator[str]:
    """Go through all strings, and all bytes as strings, that the roots lead to."""
    seen: set[int] = set()
    kept: list[Any] = []  # what is walked stays alive, so that no id is used twice
    todo = deque(roots)
    while todo:
        value = todo.popleft()
        if isinstance(value, str):
            yield value
        elif isinstance(value, bytes):
            yield value.decode("utf-8", "replace")
        elif id(value) not in seen and not isinstance(value, (*_CODE, *_MACHINERY)):
            seen.add(id(value))
            kept.append(value)
            todo.extend(_list_parts(value))


def _list_parts(value: Any) -> Iterable[Any]:
    if value is None or isinstance(value, (int, float)):
        return ()
    parts: list[Any] = []
    if isinstance(value, Mapping):
        parts += [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        parts += value
    elif isinstance(value, functools.partial):
        parts += [value.func, *value.args, *value.keywords.values()]
    parts += getattr(value, "__dict__", {}).values()
    for cls in type(value).__mro__:
        for name in _list_slots(cls):
            parts.append(getattr(value, name, None))
    return parts


def _list_slots(cls: type) -> list[str]:
    slots = cls.__dict__.get("__slots__", ())
    return [slots] if isinstance(slots, str) else list(slots)
