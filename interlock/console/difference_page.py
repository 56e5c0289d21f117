"""Where two runs parted, for a person: the first differences, then what followed."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, count_of, shorten
from interlock.console.palette import STYLES
from interlock.console.value_difference import draw_value_difference
from interlock.contracts.run_difference import DifferenceKind, RunDifference, StepDifference

_LINE_CHARS: Final = 160
_MOST_LINES: Final = 12
_MOST_CAUSES: Final = 5

_WORDS: Final[dict[DifferenceKind, str]] = {
    "plan": "planned otherwise",
    "start": "started with something else",
    "upstream": "shown other inputs",
    "brief": "shown something else",
    "output": "equal briefs, other outputs",
    "verdict": "equal outputs, another verdict",
    "outcome": "settled otherwise",
}


def draw_difference(difference: RunDifference) -> RenderableType:
    """Return the page."""
    one, other = difference.one, difference.other
    names = f"{clean_text(one.thread_id)} ({one.status}) and {clean_text(other.thread_id)} ({other.status})"
    if not difference.causes and not difference.followed:
        return Text(
            f"The runs {names} are the same in all {count_of(len(difference.same), 'step')}."
        )
    parts: list[RenderableType] = [
        Text(
            f"The runs {names} part at {count_of(len(difference.causes), 'place')}; "
            f"{count_of(len(difference.followed), 'step')} followed, "
            f"{count_of(len(difference.same), 'step')} the same."
        )
    ]
    for cause in difference.causes[:_MOST_CAUSES]:
        parts += [Text(), Text(_name(cause), style=STYLES["bad"]), *_draw_values(cause)]
    if len(difference.causes) > _MOST_CAUSES:
        parts.append(Text(f"and {len(difference.causes) - _MOST_CAUSES} more: --json", style="dim"))
    if difference.followed:
        parts += [Text(), _draw_followed(difference)]
    return Group(*parts)


def _name(found: StepDifference) -> str:
    place = f"Step {clean_text(found.path)}" if found.path else "The start"
    what = ", ".join(clean_text(name) for name in found.what)
    return f"{place}: {_WORDS[found.kind]} ({shorten(what, _LINE_CHARS)})"


def _draw_values(found: StepDifference) -> Iterator[Text]:
    return draw_value_difference(found.one, found.other, most=_MOST_LINES, margin="  ")


def _draw_followed(difference: RunDifference) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("STEP", "HOW IT DIFFERS", "WHAT", "BECAUSE OF"):
        table.add_column(head, overflow="fold")
    for found in difference.followed:
        because = ", ".join(path or "the start" for path in found.because)
        cells = (found.path, _WORDS[found.kind], ", ".join(found.what), because)
        table.add_row(*(Text(clean_text(shorten(cell, _LINE_CHARS))) for cell in cells))
    return table
