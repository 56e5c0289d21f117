"""Text that is safe on a terminal: what workers and models wrote, without control characters.

Everything that this room prints passes here. Markup is no danger: values travel as
`rich.text.Text`, never as strings that rich would parse.
"""

import json
import re
import unicodedata
from typing import Final

from interlock.contracts.plain import Plain

_ESCAPES: Final = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, links, clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"  # the rest
)
"""Control sequences as ECMA-48 defines them, 7-bit and 8-bit, complete or cut off."""

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control characters, direction marks, surrogates, and separators that break lines."""


def clean_text(text: str) -> str:
    """Return a text on one line, without control sequences and invisible characters."""
    text = _ESCAPES.sub("", text)
    kept = (_clean_character(character) for character in text)
    return " ".join("".join(kept).split())


def clean_lines(text: str) -> list[str]:
    """Return a text as clean lines, with the spaces that lead each."""
    lines = _ESCAPES.sub("", text).splitlines() or [""]
    return ["".join(_clean_character(c) for c in line.expandtabs(4)).rstrip() for line in lines]


def shorten(text: str, limit: int) -> str:
    """Return a clean text of at most `limit` characters, its cut marked."""
    text = clean_text(text[: limit * 4])
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def show_value(value: Plain, limit: int = 200) -> str:
    """Return a plain value on one line, as JSON, text as it is."""
    if isinstance(value, str):
        return shorten(value, limit)
    return shorten(json.dumps(value, ensure_ascii=False, default=repr), limit)


def show_duration(seconds: float) -> str:
    """Return a duration as a person says it: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 4 min`."""
    seconds = max(seconds, 0)
    if seconds < 9.95:  # noqa: PLR2004 - below, tenths are worth showing
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days} d {hours_left} h"
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{whole} s"


def count_of(number: int, noun: str) -> str:
    """Return `1 step`, `2 steps`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _clean_character(character: str) -> str:
    if character in "\t\n\r\v\f\x85\u2028\u2029":
        return " "
    return "" if unicodedata.category(character) in _INVISIBLE else character
