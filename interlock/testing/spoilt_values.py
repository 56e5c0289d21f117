"""How a true value is spoilt: another shape, a wrong leaf, an end that is missing."""

import random
import string
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from interlock.contracts.plain import Plain

Spoil: TypeAlias = Callable[[Any, random.Random], object]
"""What a fault makes of a true value; the draw is the place's own."""

_Path: TypeAlias = tuple[str | int, ...]


def make_garbage(value: Plain, draw: random.Random) -> Plain:
    """Return noise of another JSON type than the value, so that no schema of it fits."""
    noise = "".join(draw.choices(string.printable.strip(), k=24))
    return noise if isinstance(value, (dict, list, int, float)) else {"noise": noise}


def make_wrong(value: Plain, draw: random.Random) -> Plain:
    """Return a value of the same shape with one leaf changed; the types stay."""
    paths = list(_list_leaves(value, ()))
    return _change(value, draw.choice(paths), draw)


def cut_off(value: Plain, draw: random.Random) -> Plain:
    """Return the value without its end: half of a text, a list or an object's keys."""
    if isinstance(value, str):
        return value[: len(value) // 2]
    if isinstance(value, list):
        return value[: len(value) // 2]
    if isinstance(value, dict):
        if len(value) == 1:
            return {name: cut_off(part, draw) for name, part in value.items()}
        return dict(list(value.items())[: (len(value) + 1) // 2])
    return cut_off(str(value), draw)


def _list_leaves(value: Plain, path: _Path) -> Iterator[_Path]:
    items: Iterator[tuple[str | int, Plain]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    is_leaf = True
    for name, part in items:
        is_leaf = False
        yield from _list_leaves(part, (*path, name))
    if is_leaf:
        yield path


def _change(value: Any, path: _Path, draw: random.Random) -> Any:  # noqa: ANN401 - plain values
    if not path:
        return _change_leaf(value, draw)
    name, *rest = path
    changed: Any = dict(value) if isinstance(value, dict) else list(value)
    changed[name] = _change(value[name], tuple(rest), draw)
    return changed


def _change_leaf(leaf: Plain, draw: random.Random) -> Plain:
    match leaf:
        case bool():
            return not leaf
        case int():
            return leaf + draw.choice((-1, 1)) * draw.randint(1, 9)
        case float():
            return leaf + draw.choice((-1, 1)) * draw.uniform(0.1, 0.9) * max(abs(leaf), 1.0)
        case str():
            return _change_text(leaf, draw)
        case None:
            return 0
        case list():
            return [None]
        case _:
            return {"added": None}


def _change_text(text: str, draw: random.Random) -> str:
    """Change one letter or digit into another; a text without any gets one."""
    places = [place for place, sign in enumerate(text) if sign.isascii() and sign.isalnum()]
    if not places:
        return f"{text}{draw.choice(string.ascii_lowercase)}"
    place = draw.choice(places)
    old = text[place]
    signs = string.digits if old.isdigit() else string.ascii_lowercase
    new = draw.choice([sign for sign in signs if sign != old.lower()])
    return f"{text[:place]}{new.upper() if old.isupper() else new}{text[place + 1 :]}"
