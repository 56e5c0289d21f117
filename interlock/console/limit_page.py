"""Breakers and rates for a person: one line a name, with what it means now."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, count_of, show_duration
from interlock.console.event_words import Mood
from interlock.console.palette import STYLES
from interlock.contracts.limits import BreakerState, LimitRecord

_WORDS: Final[dict[BreakerState, tuple[str, Mood]]] = {
    "closed": ("closed", "good"),
    "open": ("open", "bad"),
    "half_open": ("half-open", "odd"),
}


def draw_limits(records: Sequence[LimitRecord], *, now: datetime) -> Table:
    """Return the table of all names."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("NAME", "BREAKER", "WHAT IS KNOWN"):
        table.add_column(head, overflow="fold")
    for record in records:
        words, mood = _WORDS[record.state]
        facts = "; ".join(_word_facts(record, now=now))
        table.add_row(Text(clean_text(record.name)), Text(words, style=STYLES[mood]), Text(facts))
    return table


def _word_facts(record: LimitRecord, *, now: datetime) -> Iterator[str]:
    if record.state != "closed":
        yield f"for {_show(now - record.since)}"
    if record.until is not None:
        left = record.until - now
        yield f"tried again in {_show(left)}" if left.total_seconds() > 0 else "tried at next call"
    if record.probing:
        yield f"{count_of(len(record.probing), 'probe')} out"
    if record.failures:
        yield f"{count_of(len(record.failures), 'failure')}, the last {record.last_failure}"
    if record.held_until is not None and record.held_until > now:
        yield f"asked to wait {_show(record.held_until - now)}"
    if record.next_at is not None and record.next_at > now:
        yield f"turns are taken for the next {_show(record.next_at - now)}"


def _show(span: timedelta) -> str:
    return show_duration(max(span.total_seconds(), 0.0))
