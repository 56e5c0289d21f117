"""Quotes: whether what a judge calls evidence was really said, and says anything."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from interlock.contracts.plain import Plain, thaw

_QUOTATION_MARKS: Final = "\"'` \u201c\u201d\u2018\u2019"
_LEAST_BYTES: Final = 4
"""A lone word that is shorter tells one text from another only by accident: `the`, `is`. Where a
letter is a word of its own, it has three bytes in UTF-8."""


class QuotableText:
    """The text in which a quote may occur: every text and number of some values."""

    def __init__(self, values: Sequence[Plain]) -> None:
        """Collect the text; white space counts as one space, letters' case does not count."""
        thawed = [thaw(value) for value in values]
        self._said = [_fold(part) for value in thawed for part in _list_texts(value)]
        self._whole = [_fold(json.dumps(value, ensure_ascii=False)) for value in thawed]

    def holds(self, quote: str) -> bool:
        """Return whether a quote occurs as whole words and says something.

        Names of fields count only beside what they hold; a lone short word only where it is all
        that was said, or has a digit.
        """
        folded = _fold(quote).strip(_QUOTATION_MARKS)
        if not re.search(r"\w", folded):
            return False
        if any(_occurs(folded, part) for part in self._said):
            return self._says_something(folded)
        if not any(_occurs(folded, part) for part in self._whole):
            return False
        return any(_occurs(word, part) for word in _list_words(folded) for part in self._said)

    def has(self, quote: str) -> bool:
        """Return whether a quote occurs at all."""
        folded = _fold(quote).strip(_QUOTATION_MARKS)
        return any(_occurs(folded, part) for part in (*self._said, *self._whole))

    def _says_something(self, folded: str) -> bool:
        words = _list_words(folded)
        is_long = len(words) > 1 or len(words[0].encode()) >= _LEAST_BYTES
        return is_long or any(one.isdigit() for one in folded) or folded in self._said


def _occurs(folded: str, part: str) -> bool:
    words = re.compile(rf"(?<!\w){re.escape(folded)}(?!\w)", re.ASCII)
    return words.search(part) is not None


def _list_words(folded: str) -> list[str]:
    return re.findall(r"\w+", folded)


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _list_texts(value: Plain) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _list_texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _list_texts(item)
    else:
        yield json.dumps(value)
