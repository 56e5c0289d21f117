"""Words and numbers of reports: nothing hides, nothing is rounded to what it is not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.telemetry.report.words import show_money, show_span, show_text, show_time


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, with tab\tand line\n", "plain, with tab\tand line\n"),
        ("\u202eevil", "\\u202eevil"),
        ("a\x00b\x1b[31m", "a\\u0000b\\u001b[31m"),
        ("line\u2028end\u200b", "line\\u2028end\\u200b"),
        ("\ud800 \ufffe", "\\ud800 \\ufffe"),
        (
            "\u4f60\u597d \u0645\u0631\u062d\u0628\u0627 \U0001f600",
            "\u4f60\u597d \u0645\u0631\u062d\u0628\u0627 \U0001f600",
        ),
    ],
)
def test_what_cannot_be_seen_stands_as_its_number(text: str, shown: str) -> None:
    """Control characters, marks that turn the writing round, lone surrogates; letters stay."""
    assert show_text(text) == shown


@given(st.text())
def test_every_text_can_be_written_to_a_page(text: str) -> None:
    """Shown texts are UTF-8 and hold no control character but tab and line feed."""
    shown = show_text(text)
    shown.encode()
    assert all(sign in "\t\n" or sign >= " " for sign in shown)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"),
        (0.0002, "< 1 ms"),
        (0.45, "450 ms"),
        (0.9996, "1.0 s"),
        (9.96, "10 s"),
        (59.7, "1 min 0 s"),
        (119.6, "2 min 0 s"),
        (3_599.9, "1 h 0 min"),
        (86_400 * 3 + 7_300, "3 d 2 h"),
    ],
)
def test_durations_are_never_sixty_of_a_unit(seconds: float, shown: str) -> None:
    """Rounding goes on to the next unit, also of timedeltas."""
    assert show_span(seconds) == show_span(timedelta(seconds=seconds)) == shown


def test_small_money_is_not_nothing() -> None:
    """Less than a cent keeps two digits, whatever it is; nothing counted is a dash."""
    shown = [show_money(Decimal(text)) for text in ("1234.5", "0.01", "0.00123456", "0.00000005")]
    assert shown == ["1,234.5000", "0.0100", "0.0012", "0.000000050"]
    assert show_money(None) == show_money(Decimal(0)) == "-"


def test_times_are_of_utc() -> None:
    """Instants say in which zone they are."""
    assert show_time(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "2026-03-01 12:00:00.000 UTC"
    assert show_time(None) == ""
