"""Hiding values of a recorded attempt before it leaves the storage.

A value is hidden where its name stands, and wherever else it is quoted: feedback, findings, errors
and instructions repeat what was in an output.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from interlock.contracts.plain import Plain, derive_hash
from interlock.contracts.replay import Recording
from interlock.tools.canonical_arguments import derive_arguments_hash

REDACTED: Final = "[redacted]"

_QUOTED_CHARS: Final = 3
"""Shorter values are not looked for in texts: `1` or `no` stand everywhere."""

_PATH: Final = re.compile(r"[.\[\]\"']+")

_CUT: Final = " ..."
"""Where a quoted text was cut off."""

_Change: TypeAlias = Callable[[Any], Any]


def redact(recording: Recording, names: Collection[str]) -> Recording:
    """Return a recording in which the values of these names are hidden, however deep they lie.

    Where such a value of three signs or more is quoted in a text, it is hidden there too. The
    brief has another hash then, which is the recording's from now on.
    """
    held: dict[str, Any] = recording.model_dump(mode="json")
    redactor = _Redactor.build(held, names)
    brief = redactor.change_brief(held["brief"])
    changed = {
        **held,
        "step": redactor.change_step(held["step"]),
        "brief": brief,
        "brief_hash": derive_hash(brief),
        "output": redactor.change_output(held["output"]),
        "effects": [redactor.change_effect(effect) for effect in held["effects"]],
    }
    return Recording.model_validate(changed)


@dataclass(frozen=True, slots=True)
class _Redactor:
    """Hides values; what names a place, a kind or a worker is left as it is.

    Attributes:
        names: Whose values are hidden.
        words: These values, as texts may quote them, the longest first.
        quoted: Finds them; None if there are none.
    """

    names: Collection[str]
    words: tuple[str, ...]
    quoted: "re.Pattern[str] | None"

    @classmethod
    def build(cls, held: Mapping[str, Any], names: Collection[str]) -> "_Redactor":
        """Return what hides the values that lie under these names."""
        shown = [held["brief"], held["output"], held["step"]["arguments"], held["step"]["fallback"]]
        found = _list_named([*shown, *held["effects"]], names)
        spelled = {word for value in found for word in _spell(value)}
        words = sorted((word for word in spelled if len(word) >= _QUOTED_CHARS), key=len)[::-1]
        pattern = "|".join(_word_pattern(word) for word in words)
        return cls(names, tuple(words), re.compile(pattern) if words else None)

    def change_brief(self, brief: Mapping[str, Any]) -> dict[str, Any]:
        """Return a brief without the values."""
        texts = ("instruction", "criteria", "feedback", "effects", "scratchpad")
        return _change(brief, self._hide_all("inputs", "context", *texts))

    def change_step(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Return a step without the values."""
        parts = self._hide_all("expression", "message", "text", "gap", "prompt", "value")

        def change_parts(items: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
            return [_change(item, parts) for item in items]

        changes: dict[str, _Change] = {
            "instruction": self.hide,
            "arguments": self.hide,
            "criteria": change_parts,
            "fallback": change_parts,
        }
        return _change(step, changes)

    def change_output(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """Return what came of an attempt without the values."""
        parts = self._hide_all("criterion", "message", "evidence")

        def change_findings(findings: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
            return [_change(finding, parts) for finding in findings]

        changes = self._hide_all("value", "error", "asked")
        return _change(output, {**changes, "findings": change_findings})

    def change_effect(self, effect: Mapping[str, Any]) -> dict[str, Any]:
        """Return an effect that still answers the call which a worker makes of the changed brief."""
        error = self._hide_all("message", "values")

        def change_moves(moves: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
            return [_change(move, {"note": self.hide}) for move in moves]

        changes: dict[str, _Change] = {
            **self._hide_all("arguments", "answer", "note"),
            "error": lambda held: None if held is None else _change(held, error),
            "moves": change_moves,
        }
        changed = _change(effect, changes)
        if changed["arguments"] != effect["arguments"]:
            changed["arguments_hash"] = derive_arguments_hash(changed["arguments"])
        return changed

    def _hide_all(self, *fields: str) -> dict[str, _Change]:
        return dict.fromkeys(fields, self.hide)

    def hide(self, value: Any) -> Any:  # noqa: ANN401 - dumped
        """Return a value without the values of the names, and without what quotes them."""
        if isinstance(value, Mapping):
            return {
                key: REDACTED if _is_named(key, self.names) else self.hide(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.hide(item) for item in value]
        if not isinstance(value, str):
            return value
        return self._hide_quoted(value)

    def _hide_quoted(self, text: str) -> str:
        if self.quoted is None:
            return text
        before, *after = self.quoted.sub(REDACTED, text).split(_CUT)
        for part in after:
            before = f"{self._hide_cut(before)}{_CUT}{part}"
        return before

    def _hide_cut(self, text: str) -> str:
        """Return a text that was cut off, without what it has of a value at its end."""
        for word in self.words:
            for size in range(min(len(word), len(text)), _QUOTED_CHARS - 1, -1):
                if text.endswith(word[:size]):
                    return text[:-size] + REDACTED
        return text


def _change(held: Mapping[str, Any], changes: Mapping[str, _Change]) -> dict[str, Any]:
    return {key: changes[key](item) if key in changes else item for key, item in held.items()}


def _is_named(key: str, names: Collection[str]) -> bool:
    """Return whether a key is a name, or a path through one, as findings show what they saw."""
    return any(part in names for part in _PATH.split(key))


def _list_named(value: Any, names: Collection[str]) -> Iterator[Plain]:  # noqa: ANN401 - dumped
    """Go through the values that lie under these names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            is_named = _is_named(key, names)
            yield from _list_leaves(item) if is_named else _list_named(item, names)
    elif isinstance(value, list):
        for item in value:
            yield from _list_named(item, names)


def _list_leaves(value: Any) -> Iterator[Plain]:  # noqa: ANN401 - dumped
    if isinstance(value, (Mapping, list)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _list_leaves(item)
    else:
        yield value


def _spell(value: Plain) -> Iterator[str]:
    """Return how a text may quote a value: as it is, or as Python and JSON write it."""
    if isinstance(value, bool) or value is None or value == REDACTED:
        return
    text = str(value)
    yield from (text, repr(text)[1:-1], ascii(text)[1:-1], json.dumps(text)[1:-1])
    yield json.dumps(text, ensure_ascii=False)[1:-1]


def _word_pattern(word: str) -> str:
    """Return what finds a word where it is no part of a longer one."""
    before = r"(?<!\w)" if word[0].isalnum() else ""
    after = r"(?!\w)" if word[-1].isalnum() else ""
    return f"{before}{re.escape(word)}{after}"
