"""Durations as they are typed."""

from datetime import timedelta

import pytest

import interlock as il
from interlock.cli.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("45min", timedelta(minutes=45)),
        ("45m", timedelta(minutes=45)),
        ("90s", timedelta(seconds=90)),
        ("2w", timedelta(days=14)),
        ("1.5h", timedelta(minutes=90)),
        ("1d12h", timedelta(hours=36)),
        (" 1d 12h ", timedelta(hours=36)),
        ("0d", timedelta(0)),
    ],
)
def test_a_number_and_a_unit_are_a_duration(text: str, expected: timedelta) -> None:
    """Several are added up; blanks do not matter."""
    assert parse_duration(text, name="--age") == expected


@pytest.mark.parametrize("text", ["", "30", "d", "30 days", "-3d", "1d,2h", "P30D", "1e9d", "3D"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    """A number without unit is not guessed at."""
    with pytest.raises(il.ConfigurationError, match="such as 30d, 12h, 45min or 90s"):
        parse_duration(text, name="--age")


def test_a_duration_too_long_for_any_date_is_refused() -> None:
    """What overflows is told as too long."""
    with pytest.raises(il.ConfigurationError, match="too long"):
        parse_duration("999999999w", name="--age")
