"""The fault campaign as a table, and whether its aims hold."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from interlock.bench.fault_campaign import FaultRow, list_misses
from interlock.bench.fault_contenders import OURS
from interlock.console.palette import STYLES

_HEADS: Final = ("RATE", "WRONG", "OK", "GAPS", "DIED", "ASK", "WORK", "TOK", "TWICE", "NEVER")
_LEGENDS: Final = (
    (
        "Shares of the runs: WRONG, a wrong final value and no word of it (* no declared criterion can "
        "see this kind); OK, the right one; GAPS, degraded, and it says what is missing; DIED, gave "
        "up; ASK, a person was asked."
    ),
    (
        "WORK and TOK: attempts and tokens, times those without faults. TWICE and NEVER: effects a "
        "run that were made once more, or taken for done and never made."
    ),
    (
        "STEPS: percent of the steps that their first worker did, within three tries. LAW: 1 - q^3, "
        "in brackets if what was counted lies outside its binomial interval, 99.9 %."
    ),
)


def draw_fault_campaign(rows: Sequence[FaultRow]) -> Group:
    """Return the figures, what they mean, and as the last line whether the aims hold."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("FAULT", no_wrap=True, max_width=14)
    for head in (*_HEADS, "STEPS", "LAW"):
        table.add_column(head, justify="right", no_wrap=True)
    contender = None
    for row in rows:
        if row.contender != contender:
            contender = row.contender
            table.add_row(Text(_shorten(contender), style="bold"))
        table.add_row(*_list_cells(row))
    legends = [Text(text, style="dim") for text in _LEGENDS]
    return Group(table, Text(""), *legends, Text(""), _draw_aim(rows))


def _shorten(contender: str) -> str:
    """Return a name that the first column has room for."""
    if contender.startswith("langgraph-supervisor,"):
        return contender.replace("langgraph-supervisor", "lg-super")
    return contender.replace("langgraph-supervisor", "lg-supervisor")


def _list_cells(row: FaultRow) -> list[Text | str]:
    star = "" if row.is_seen else "*"
    style = STYLES["bad"] if row.silently_wrong else STYLES["good"]
    return [
        f" {row.kind or 'none'}",
        f"{row.rate:.0%}" if row.kind else "",
        Text(f"{row.silently_wrong:.0%}{star}", style=style),
        *(f"{share:.0%}" for share in (row.right, row.degraded, row.failed, row.escalated)),
        f"{row.attempts:.2f}",
        f"{row.tokens:.2f}",
        f"{row.doubles:.1f}",
        f"{row.phantoms:.1f}",
        *_list_step_cells(row),
    ]


def _list_step_cells(row: FaultRow) -> list[str]:
    if not row.contender.startswith(OURS) or not row.struck_steps:
        return ["", ""]
    expected = f"{row.expected_steps / row.struck_steps * 100:.1f}"
    law = expected if row.agrees else f"({expected})"
    return [f"{row.done_steps / row.struck_steps * 100:.1f}", law]


def _draw_aim(rows: Sequence[FaultRow]) -> Text:
    misses = list_misses(rows)
    if misses:
        return Text("The aims are missed: " + "; ".join(misses), style=STYLES["bad"])
    aim = (
        "The aims hold: no wrong value in silence where a criterion can see it, no effect twice or only claimed, "
        "and steps done as often as 1 - q^(r+1) says."
    )
    return Text(aim, style=STYLES["good"])
