"""A thread's effects for a person: a few lines each, or all that the ledger knows of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_lines, clean_text, count_of, shorten
from interlock.console.command_line import draw_command
from interlock.console.effect_words import (
    LABEL_MOODS,
    KnownEffects,
    name_state,
    word_beginning,
    word_call,
    word_callers,
    word_facts,
    word_outcome,
    word_total,
    word_use,
)
from interlock.console.palette import STYLES
from interlock.contracts.effects import EffectMove, EffectRecord
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.plain import Plain

_LABEL_WIDTH: Final = max(map(len, LABEL_MOODS))
_NOTE_LIMIT: Final = 2000

WordSettlement = Callable[[IdempotencyKey], Sequence[str]]
"""Returns the command lines that settle an effect, one an outcome."""


def draw_effects(
    effects: Sequence[EffectRecord],
    *,
    now: datetime,
    word_settlement: WordSettlement,
    is_full: bool = False,
) -> Group:
    """Return a thread's effects as a page.

    Args:
        effects: At least one, oldest first.
        now: Tells how long ago.
        word_settlement: Returns the command lines that settle an unknown effect.
        is_full: Whether to show all that is known of each.
    """
    draw = _draw_full if is_full else _draw_briefly
    known = KnownEffects.gather(effects)
    unknown = [effect for effect in effects if effect.state == "unknown"]
    return Group(
        draw(effects, known, now),
        Text(word_total(effects), style="bold"),
        *_draw_unknown(unknown, word_settlement, now=now),
    )


def _draw_briefly(
    effects: Sequence[EffectRecord], known: KnownEffects, now: datetime
) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, min_width=_LABEL_WIDTH)
    table.add_column(overflow="fold")
    for effect in effects:
        table.add_row(
            Text(f"{effect.began_at:%H:%M:%S}"),
            _draw_label(effect),
            Text(word_call(effect), style="bold"),
        )
        for words in (
            word_callers(effect),
            word_outcome(effect),
            word_facts(effect, known, now=now),
        ):
            if words:
                table.add_row("", "", Text(words))
        table.add_row("")
    return table


def _draw_label(effect: EffectRecord) -> Text:
    label = name_state(effect)
    return Text(label, style=f"bold {STYLES[LABEL_MOODS[label]]}")


def _draw_full(
    effects: Sequence[EffectRecord], known: KnownEffects, now: datetime
) -> RenderableType:
    return Group(*(part for effect in effects for part in _draw_whole(effect, known, now)))


def _draw_whole(
    effect: EffectRecord, known: KnownEffects, now: datetime
) -> Iterator[RenderableType]:
    yield (
        Text(f"{effect.began_at:%Y-%m-%d %H:%M:%S}  ", style="bold")
        .append_text(_draw_label(effect))
        .append(f"  {word_call(effect)}")
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row("key", Text(clean_text(effect.key)))
    table.add_row("called by", Text(word_callers(effect)))
    for name, words in (
        ("facts", word_facts(effect, known, now=now)),
        ("epoch", str(effect.epoch or "")),
        ("equal calls", f"{effect.ordinal} before this one" if effect.ordinal else ""),
        ("ended", f"{effect.ended_at:%Y-%m-%d %H:%M:%S}" if effect.ended_at else ""),
        ("run by", clean_text(effect.runner)),
    ):
        if words:
            table.add_row(name, Text(words))
    table.add_row("arguments", _draw_value(effect.arguments))
    if effect.error is not None:
        table.add_row("error", Text(shorten(effect.error.type, _NOTE_LIMIT), style=STYLES["bad"]))
        table.add_row("", Text("\n".join(clean_lines(effect.error.message))))
    elif effect.state == "done":
        table.add_row("answer", _draw_value(effect.answer))
    for number, use in enumerate(effect.uses):
        table.add_row("" if number else "calls", Text(word_use(use)))
    for number, move in enumerate(effect.moves):
        table.add_row("" if number else "history", _draw_move(move))
    yield Padding(table, (0, 0, 1, 2), expand=False)


def _draw_value(value: Plain) -> Text:
    shown = json.dumps(value, indent=2, ensure_ascii=False)
    return Text("\n".join(line for text in shown.split("\n") for line in clean_lines(text)))


def _draw_move(move: EffectMove) -> Text:
    text = Text(f"{move.at:%H:%M:%S}  try {move.tries}  ")
    text.append(f"{move.state:<{_LABEL_WIDTH}}", style=STYLES[LABEL_MOODS[move.state]])
    text.append(f"  {move.by}")
    return text.append(f": {shorten(move.note, _NOTE_LIMIT)}") if move.note else text


def _draw_unknown(
    unknown: Sequence[EffectRecord], word_settlement: WordSettlement, *, now: datetime
) -> Iterator[RenderableType]:
    if not unknown:
        return
    is_one = len(unknown) == 1
    yield Text(
        f"\n{count_of(len(unknown), 'effect')} {'is' if is_one else 'are'} unknown: begun, and "
        f"nobody knows whether {'it' if is_one else 'they'} happened. The tool is not run again. "
        "Look where it would show, then say so:"
    )
    for effect in unknown:
        yield Text(f"\n  {word_call(effect)}", style=STYLES["odd"])
        yield Text(f"  {word_beginning(effect, now=now)}", style="dim")
        yield from (draw_command(line, indent=4) for line in word_settlement(effect.key))


def draw_settled(effect: EffectRecord, *, happened: bool) -> Group:
    """Return what a person's word has made of an effect."""
    head = Text(f"{word_call(effect)} ", style="bold")
    if happened:
        consequence = f"Duplicates get this {word_outcome(effect)}"
    else:
        consequence = "The next call for it runs the tool."
    fate = "happened" if happened else "did not happen"
    return Group(head.append(fate, style=STYLES["good"]), Text(f"Recorded. {consequence}"))
