"""Words and numbers as a report shows them; nothing that was said can be taken for markup or hide."""

import json
import unicodedata
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from interlock.contracts.plain import Plain

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEPT: Final = frozenset("\n\t")
_MINUTE: Final = 60
_HOUR: Final = 3_600
_SHORT_SECONDS: Final = 10.0
_CENT: Final = Decimal("0.01")
_DAY: Final = 86_400
_MILLISECOND: Final = 0.001


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
    if round(seconds, 3) < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= _MILLISECOND or not seconds else "< 1 ms"
    if round(seconds, 1) < _SHORT_SECONDS:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def show_us(microseconds: float | None) -> str:
    """Return a duration that is given in microseconds."""
    return "-" if microseconds is None else show_span(microseconds / 1_000_000)


def show_share(rate: float | None) -> str:
    """Return a rate in percent."""
    return "-" if rate is None else f"{100 * rate:.1f} %"


def show_money(amount: Decimal | None) -> str:
    """Return an amount of money, small ones to two digits; a dash where none was counted."""
    if not amount:
        return "-"
    digits = 1 - amount.adjusted() if abs(amount) < _CENT else 4
    return f"{amount:,.{digits}f}"
