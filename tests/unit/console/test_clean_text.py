"""What workers wrote, made safe for a terminal and short enough to read."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.console.clean_text import (
    clean_lines,
    clean_text,
    count_of,
    shorten,
    show_duration,
    show_value,
)

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "cursor": "\x1b[2J\x1b[1;1Hred",
    "title": "\x1b]0;owned\x07red",
    "link": "\x1b]8;;http://x\x1b\\red\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;aGk=\x07red",
    "device": "\x1bP1$tx\x1b\\red",
    "eight_bit": "\x9b31mred\x9d0;t\x9c",
    "direction": "\u202ered\u2066",
    "zero_width": "r\u200be\ufeffd",
    "bell": "red\x07\x00",
    "surrogate": "re\ud800d",
    "cut_off": "red\x1b[38;5",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_steers_a_terminal_gets_through(text: str) -> None:
    """Sequences go as a whole, with what they carry; the letters stay."""
    assert clean_text(text) == "red"
    assert clean_lines(text) == ["red"]


@given(st.text(st.characters(), max_size=60) | st.text("\x1b[]m;0\x07\x9bP\\a ", max_size=30))
def test_clean_text_is_one_visible_line(text: str) -> None:
    """No control, format or surrogate character is left, and cleaning again changes nothing."""
    cleaned = clean_text(text)
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in cleaned)
    assert clean_text(cleaned) == cleaned
    assert "\n" not in cleaned


def test_ordinary_text_is_kept() -> None:
    """Letters of every script, accents and symbols pass; white space becomes single spaces."""
    assert clean_text("Größe: 3 m² 日本 😀") == "Größe: 3 m² 日本 😀"
    assert clean_text("a\tb\r\n c\u2028d  e") == "a b c d e"
    assert clean_lines("a\n  b\n\n c \n") == ["a", "  b", "", " c"]
    assert clean_lines("") == [""]


@pytest.mark.parametrize(
    ("limit", "expected"), [(6, "abcdef"), (5, "abcd…"), (1, "…"), (100, "abcdef")]
)
def test_a_cut_is_marked_and_keeps_to_its_limit(limit: int, expected: str) -> None:
    """The limit counts the mark."""
    assert shorten("abcdef", limit) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain text", "plain text"),
        (None, "null"),
        ([1, True, None], "[1, true, null]"),
        ({"ä": "x\x1b[31m"}, '{"ä": "x\\u001b[31m"}'),
        (float("nan"), "NaN"),
        (object, "\"<class 'object'>\""),
    ],
)
def test_a_value_is_shown_on_one_line(value: Any, shown: str) -> None:
    """Texts as they are, anything else as JSON, even what JSON does not have."""
    assert show_value(value) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.6, "1 h 0 min"),
        (7440, "2 h 4 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_is_said_as_a_person_says_it(seconds: float, words: str) -> None:
    """Two units at most, rounded, never negative."""
    assert show_duration(seconds) == words


def test_numbers_agree_with_their_nouns() -> None:
    """One step, two steps, no steps."""
    assert [count_of(n, "step") for n in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
