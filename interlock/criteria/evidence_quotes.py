"""Quotes: whether what a judge calls evidence was really said, and says anything."""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from interlock.contracts.plain import Plain, thaw

_QUOTATION_MARKS: Final = "\"'` \u201c\u201d\u2018\u2019"
_ENOUGH_LETTERS: Final = 6
"""A quote of fewer tells a longer text from another only by accident: in every language the words
that occur everywhere are short. Where a letter is a syllable or a word, it counts as three."""

_LEAST_LETTERS: Final = 4
_LEAST_SHARE: Final = 6
"""In a short text a shorter quote is a good part of what is said: at least a sixth."""


class QuotableText:
    """The text in which a quote may occur: every text and number of some values."""

    def __init__(self, values: Sequence[Plain]) -> None:
        """Collect the text; white space counts as one space, letters' case does not count."""
        thawed = [thaw(value) for value in values]
        self._said = [_fold(part) for value in thawed for part in _list_texts(value)]
        self._whole = [_fold(json.dumps(value, ensure_ascii=False)) for value in thawed]

    def holds(self, quote: str) -> bool:
        """Return whether a quote occurs as whole words and says something.

        Names of fields count only beside what they hold; a few letters only where they are all
        that was said or a good part of it, or with a digit.
        """
        folded = _fold(quote).strip(_QUOTATION_MARKS)
        if not re.search(r"\w", folded):
            return False
        if self._list_holders(folded):
            return self._says_something(folded)
        if not any(_occurs(folded, part) for part in self._whole):
            return False
        said = [word for word in re.findall(r"\w+", folded) if self._list_holders(word)]
        is_long = sum(map(_count_letters, said)) >= _ENOUGH_LETTERS
        return is_long or any(self._says_something(word) for word in said)

    def has(self, quote: str) -> bool:
        """Return whether a quote occurs at all."""
        folded = _fold(quote).strip(_QUOTATION_MARKS)
        return any(_occurs(folded, part) for part in (*self._said, *self._whole))

    def _list_holders(self, folded: str) -> list[str]:
        return [part for part in self._said if _occurs(folded, part)]

    def _says_something(self, folded: str) -> bool:
        letters = _count_letters(folded)
        if letters >= _ENOUGH_LETTERS or any(one.isdigit() for one in folded):
            return True
        return any(
            folded == part
            or (letters >= _LEAST_LETTERS and letters * _LEAST_SHARE >= _count_letters(part))
            for part in self._list_holders(folded)
        )


def _occurs(folded: str, part: str) -> bool:
    words = re.compile(rf"(?<!\w){re.escape(folded)}(?!\w)", re.ASCII)
    return words.search(part) is not None


def _count_letters(folded: str) -> int:
    letters = re.findall(r"\w", folded)
    return sum(3 if unicodedata.east_asian_width(one) in "WF" else 1 for one in letters)


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
