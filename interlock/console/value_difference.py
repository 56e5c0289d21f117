"""Two values beside each other, as lines of JSON: what only the first has, what only the second."""

import difflib
import json
from collections.abc import Iterator
from typing import Final

from rich.text import Text

from interlock.console.clean_text import clean_lines
from interlock.console.palette import STYLES
from interlock.contracts.plain import Plain

_LINE_CHARS: Final = 160


def draw_value_difference(
    one: Plain, other: Plain, *, most: int, around: int = 0, margin: str = ""
) -> Iterator[Text]:
    """Yield the lines that differ, marked - and +; nothing where the values are equal.

    Args:
        one: The first value.
        other: The second.
        most: So many lines; of more, how many are left out is said.
        around: How many equal lines are shown about each place.
        margin: Stands before each line.
    """
    lines = [
        line
        for line in difflib.unified_diff(_dump(one), _dump(other), lineterm="", n=around)
        if not line.startswith(("---", "+++", "@@"))
    ]
    styles = {"+": STYLES["good"], "-": STYLES["bad"]}
    for line in lines[:most]:
        yield Text(f"{margin}{line[:_LINE_CHARS]}", style=styles.get(line[:1], ""))
    if len(lines) > most:
        yield Text(f"{margin}and {len(lines) - most} more lines: --json", style="dim")


def _dump(value: Plain) -> list[str]:
    """Return a value as clean lines; none of its own texts breaks one."""
    dumped = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return [" ".join(clean_lines(line)) for line in dumped.split("\n")]
