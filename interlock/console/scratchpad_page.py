"""Scratchpads for a person: what each worker noted on a step, oldest first."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from interlock.console.clean_text import clean_lines, clean_text, count_of
from interlock.contracts.scratchpad import Note

_INDENT = 2


def draw_notes(notes: Sequence[Note]) -> Group:
    """Return notes as a page, those of one attempt under one head.

    Args:
        notes: At least one, oldest first.
    """
    return Group(
        *(part for part in _draw_attempts(notes)),
        Text(f"{count_of(len(notes), 'note')}, {_word_bytes(notes)}", style="bold"),
    )


def _draw_attempts(notes: Sequence[Note]) -> Iterator[RenderableType]:
    def derive_key(note: Note) -> tuple[str, str, str, int]:
        return note.step_id, note.worker, note.superstep, note.attempt

    for (step_id, worker, _superstep, attempt), found in groupby(notes, key=derive_key):
        head = Text(f"step {clean_text(step_id)}  attempt {attempt}", style="bold")
        yield head.append(f"  worker {clean_text(worker)}", style="default")
        for note in found:
            first, *rest = clean_lines(note.text)
            line = Text.assemble((f"{note.at:%Y-%m-%d %H:%M:%S}", "dim"), f"  {first}")
            yield Padding(line, (0, 0, 0, _INDENT), expand=False)
            if rest:
                below = Text("\n".join(rest), overflow="fold")
                yield Padding(below, (0, 0, 0, 2 * _INDENT), expand=False)
        yield Text("")


def _word_bytes(notes: Sequence[Note]) -> str:
    return f"{sum(note.size for note in notes):,} bytes"
