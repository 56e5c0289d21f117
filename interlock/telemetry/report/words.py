"""Words and numbers as a report shows them; nothing that was said can be taken for markup or hide."""

import json
import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from interlock.contracts.plain import Plain

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEPT: Final = frozenset("\n\t")
_MINUTE, _HOUR = 60, 3600
_SHORT_SECONDS: Final = 10.0


def show_text(text: object) -> str:
    """Return a text in which what cannot be seen, or turns the writing round, stands as its number."""
    words = str(text)
    if words.isascii() and words.isprintable():
        return words
    return "".join(
        sign
        if sign in _KEPT or unicodedata.category(sign) not in _HIDDEN
        else f"\\u{ord(sign):04x}"
        for sign in words
    )


def show_value(value: Plain) -> str:
    """Return a value as indented JSON."""
    return show_text(json.dumps(value, ensure_ascii=False, indent=2))


def show_time(instant: datetime | None) -> str:
    """Return an instant in UTC, to the millisecond."""
    if instant is None:
        return ""
    return instant.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", " UTC")


def show_span(span: timedelta | float | None) -> str:
    """Return a duration, given as such or in seconds."""
    if span is None:
        return "-"
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _SHORT_SECONDS:
        return f"{seconds:.1f} s"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{int(seconds) // _MINUTE} min {int(seconds) % _MINUTE} s"
    return f"{int(seconds) // _HOUR} h {int(seconds) % _HOUR // _MINUTE} min"


def show_us(microseconds: float | None) -> str:
    """Return a duration that is given in microseconds."""
    return "-" if microseconds is None else show_span(microseconds / 1_000_000)


def show_share(rate: float | None) -> str:
    """Return a rate in percent."""
    return "-" if rate is None else f"{100 * rate:.1f} %"


def show_money(amount: Decimal | None) -> str:
    """Return an amount of money; a dash where there is none."""
    return "-" if not amount else f"{amount:.4f}"
