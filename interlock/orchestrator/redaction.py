"""Hiding values of a recorded attempt before it leaves the storage.

A value is hidden where its name stands, and wherever else it is quoted: feedback, findings, errors
and instructions repeat what was in an output.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from interlock.contracts.plain import Plain, derive_hash
from interlock.contracts.replay import Recording
from interlock.tools.canonical_arguments import derive_arguments_hash

REDACTED: Final = "[redacted]"

_QUOTED_CHARS: Final = 3
"""Shorter values are not looked for in texts: `1` or `no` stand everywhere."""

_DECLARED: Final = frozenset({"thread_id", "path", "superstep", "attempt", "teams", "brief_hash"})
"""Fields of a recording that name a place, and are left as they are."""

_EFFECT_PLACES: Final = frozenset({"key", "thread_id", "step_id", "worker", "tool", "state", "uses"})


def redact(recording: Recording, names: Collection[str]) -> Recording:
    """Return a recording in which the values of these names are hidden, however deep they lie.

    Where such a value of three signs or more is quoted in a text, it is hidden there too. The
    brief has another hash then, which is the recording's from now on.
    """
    held = recording.model_dump(mode="json")
    quoted = _build_pattern(_list_named([held["brief"], held["output"], held["effects"]], names))
    redacted = {
        key: value if key in _DECLARED else _hide(value, names, quoted)
        for key, value in held.items()
        if key != "effects"
    }
    redacted["brief_hash"] = derive_hash(redacted["brief"])
    redacted["effects"] = [_redact_effect(effect, names, quoted) for effect in held["effects"]]
    return Recording.model_validate(redacted)


def _redact_effect(
    effect: Mapping[str, Any], names: Collection[str], quoted: "re.Pattern[str] | None"
) -> dict[str, Any]:
    """Return an effect that still answers the call that the worker makes of a redacted brief."""
    hidden = {
        key: value if key in _EFFECT_PLACES else _hide(value, names, quoted)
        for key, value in effect.items()
    }
    if hidden["arguments"] != effect["arguments"]:
        hidden["arguments_hash"] = derive_arguments_hash(hidden["arguments"])
    return hidden


def _list_named(value: Any, names: Collection[str]) -> Iterator[Plain]:  # noqa: ANN401 - dumped
    """Go through the values that lie under these names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in names:
                yield from _list_leaves(item)
            else:
                yield from _list_named(item, names)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _list_named(item, names)


def _list_leaves(value: Any) -> Iterator[Plain]:  # noqa: ANN401 - dumped
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _list_leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _list_leaves(item)
    else:
        yield value


def _build_pattern(values: Iterator[Plain]) -> "re.Pattern[str] | None":
    """Return what finds these values in a text, as they are, quoted in Python or in JSON."""
    words: set[str] = set()
    for value in values:
        if isinstance(value, bool) or value is None or value == REDACTED:
            continue
        text = str(value)
        words |= {text, repr(text)[1:-1], ascii(text)[1:-1], text.replace('"', '\\"')}
    parts = [_word_pattern(word) for word in sorted(words, key=len, reverse=True)]
    found = [part for part in parts if part]
    return re.compile("|".join(found)) if found else None


def _word_pattern(word: str) -> str:
    """Return what finds a word; a number only where it is a number of its own."""
    if len(word.strip()) < _QUOTED_CHARS:
        return ""
    before = r"(?<![\w.])" if word[0].isalnum() else ""
    after = r"(?!\w)" if word[-1].isalnum() else ""
    return f"{before}{re.escape(word)}{after}"


def _hide(
    value: Any,  # noqa: ANN401 - dumped
    names: Collection[str],
    quoted: "re.Pattern[str] | None",
) -> Any:  # noqa: ANN401 - dumped
    if isinstance(value, Mapping):
        return {
            key: REDACTED if key in names else _hide(item, names, quoted)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_hide(item, names, quoted) for item in value]
    if quoted is not None and isinstance(value, str):
        return quoted.sub(REDACTED, value)
    return value
