"""A table that leaves columns out where there is no room for them, and says which."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_GAP: Final = 2
_LEAST_WORDS: Final = 16
"""Columns of words are folded, but not to less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittingTable:
    """A table as wide as the terminal allows.

    Attributes:
        title: Above it.
        heads: Of its columns.
        rows: A cell a column; clean.
        words: Heads of columns that are folded, and stand on the left.
        names: Heads of columns that stand on the left.
        spare: Heads of columns that can be left out, the first first.
    """

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    spare: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the columns that fit."""
        widths = {head: self._find_width(place) for place, head in enumerate(self.heads)}
        left_out: list[str] = []
        for head in self.spare:
            if sum(widths.values()) + _GAP * (len(widths) - 1) <= options.max_width:
                break
            if head in widths:
                del widths[head]
                left_out.append(head)
        yield self._draw(widths)
        if left_out:
            yield Text(f"No room here for {', '.join(left_out)}.", style="dim")

    def _find_width(self, place: int) -> int:
        head = self.heads[place]
        width = max(map(cell_len, (head, *(row[place] for row in self.rows))))
        return min(width, _LEAST_WORDS) if head in self.words else width

    def _draw(self, widths: dict[str, int]) -> Table:
        table = Table(
            box=None, pad_edge=False, header_style="dim", title=self.title, title_justify="left"
        )
        for head, width in widths.items():
            is_left = head in self.names or head in self.words
            is_folded = head in self.words
            table.add_column(
                head,
                overflow="fold",
                justify="left" if is_left else "right",
                min_width=width,
                no_wrap=not is_folded,
            )
        places = [place for place, head in enumerate(self.heads) if head in widths]
        for row in self.rows:
            table.add_row(*(Text(row[place]) for place in places))
        return table
