"""Words for what users' code raises and returns, and criteria in words."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import interlock as il
from interlock.contracts.criteria import describe_criterion
from interlock.contracts.ids import STEP_ID_PATTERN, derive_id
from interlock.contracts.safe_words import clean_words, word_error, word_value


class BrokenError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


class Broken:
    def __repr__(self) -> str:
        raise ZeroDivisionError


class Draft(BaseModel):
    text: str


@given(st.text(st.characters(categories=["Cs", "L", "N", "Zs"])), st.integers(0, 20))
def test_words_are_always_storable(text: str, limit: int) -> None:
    """Lone surrogates are replaced and length is bounded; good text is kept."""
    words = clean_words(text, limit)
    words.encode("utf-8")
    assert len(words) <= limit
    assert word_error(ValueError(text), limit).encode("utf-8") is not None
    if not re.search("[\ud800-\udfff]", text):
        assert words == text[:limit]


def test_an_error_without_words_is_named() -> None:
    """An empty message, or one that cannot be made, still says what was raised."""
    assert word_error(ValueError("no")) == "no"
    assert word_error(KeyError()) == "KeyError()"
    assert word_error(BrokenError()) == "(its message cannot be shown: ZeroDivisionError)"
    assert word_value(Broken()) == "a Broken that cannot be shown (ZeroDivisionError)"
    assert word_value("x" * 500, 10) == "'xxxxxxxxx"


@pytest.mark.parametrize(
    ("criterion", "words"),
    [
        (il.expr("output > 1"), "output > 1 is true"),
        (il.expr("output > 1", message="More than one"), "More than one (output > 1 is true)"),
        (il.schema(Draft), "matches the schema Draft"),
        (il.schema({"type": "object"}), "matches the given JSON schema"),
        (il.check("polite"), "passes the check polite"),
        (il.rubric("Is kind"), "Is kind"),
    ],
)
def test_a_criterion_is_told_in_words(criterion: Any, words: str) -> None:
    """What a worker is shown of a criterion is what it has to satisfy."""
    assert describe_criterion(criterion) == words


def test_an_id_is_the_same_everywhere_and_tells_parts_apart() -> None:
    """SHA-256 of the joined parts: a replay writes the same row, and no two things share one."""
    assert derive_id("h", "t17", 1) == "h-8e5d6df13ef2d6a9e39227cf"
    assert derive_id("h", "a", "bc") != derive_id("h", "ab", "c")
    assert derive_id("h", "a") != derive_id("q", "a")


@pytest.mark.parametrize("step_id", ["a", "_a-1", "A" * 128])
def test_a_word_is_a_step_id(step_id: str) -> None:
    """Letters, digits, dashes and underscores, up to 128."""
    assert re.search(STEP_ID_PATTERN, step_id)
    assert il.Step(id=step_id, worker="w", instruction="").id == step_id


@pytest.mark.parametrize("step_id", ["", "1a", "a.b", "a/b", "a b", "é", "A" * 129, "a\n"])
def test_what_is_no_word_is_no_step_id(step_id: str) -> None:
    """A dot would be read as a path, a slash as a nested team's scope."""
    with pytest.raises(ValueError, match="id"):
        il.Step(id=step_id, worker="w", instruction="")
