"""What may stand in an attribute: clean text of bounded length, and content only if it is wanted.

A text that cannot be encoded would cost an exporter its whole batch, and so would a number of more
than 64 bits.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from interlock.contracts.errors import PlainValueError
from interlock.contracts.plain import parse_plain, thaw

Redact: TypeAlias = Callable[[str, object], object]
"""Given an attribute's name and what is to be shown in it; returns what may be shown, or None."""

MOST_CHARS: Final = 1_024
"""Of a fact; content has a limit of its own."""

_MOST_INT: Final = 2**63 - 1
_REDACTION_FAILED: Final = "[left out: the redaction hook failed]"


def clean_value(value: object, *, limit: int = MOST_CHARS) -> str | bool | int | float:
    """Return a value as an attribute may hold it."""
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -_MOST_INT <= value <= _MOST_INT:
        return value
    return clean_text(str(value), limit=limit)


def clean_text(text: str, *, limit: int = MOST_CHARS) -> str:
    """Return a text that can be encoded, cut at a number of characters."""
    if len(text) > limit:
        text = f"{text[:limit]}... [{len(text)} characters]"
    return text.encode(errors="replace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRules:
    """Whether content is shown, and what of it.

    Attributes:
        content: `on` or `off`.
        redact: Sees all content before anybody else does; None lets all of it pass.
        limit: Characters of one attribute's content.
    """

    content: Literal["off", "on"] = "off"
    redact: Redact | None = None
    limit: int = 16_384

    @property
    def is_on(self) -> bool:
        """Whether any content is shown."""
        return self.content == "on"

    def dump(self, attribute: str, value: object) -> str | None:
        """Return content as a text that may be shown, or None."""
        if not self.is_on:
            return None
        if self.redact is not None:
            try:
                value = self.redact(attribute, value)
            except Exception:  # noqa: BLE001 - a user's function: what it could not redact stays in
                return _REDACTION_FAILED
        return None if value is None else clean_text(_word(value), limit=self.limit)


def _word(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(thaw(parse_plain(value)), ensure_ascii=False)
    except PlainValueError:
        return repr(value)
