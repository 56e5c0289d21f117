"""Quotes: whether what a judge calls evidence was really said."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from interlock.contracts.plain import Plain, thaw

_QUOTATION_MARKS: Final = "\"'` \u201c\u201d\u2018\u2019"


class QuotableText:
    """The text in which a quote may occur: every text, name and number of some values."""

    def __init__(self, values: Sequence[Plain]) -> None:
        """Collect the text; white space counts as one space, letters' case does not count."""
        thawed = [thaw(value) for value in values]
        parts = [part for value in thawed for part in _list_texts(value)]
        parts += [json.dumps(value, ensure_ascii=False) for value in thawed]
        self._parts = [_fold(part) for part in parts]

    def holds(self, quote: str) -> bool:
        """Return whether a quote occurs as whole words; one without a word does not."""
        folded = _fold(quote).strip(_QUOTATION_MARKS)
        if not re.search(r"\w", folded):
            return False
        words = re.compile(rf"(?<!\w){re.escape(folded)}(?!\w)", re.ASCII)
        return any(words.search(part) for part in self._parts)


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _list_texts(value: Plain) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _list_texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _list_texts(item)
