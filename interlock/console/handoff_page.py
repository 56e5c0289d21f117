"""The journal for a person: one line a handoff, or everything that was handed over."""

import json
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_lines, clean_text, shorten, show_duration
from interlock.console.palette import STYLES
from interlock.contracts.handoff import Handoff


def draw_handoffs(handoffs: Sequence[Handoff]) -> Table:
    """Return a journal as a table, oldest first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("TIME", "HANDOFF", "STEP", "ATTEMPT", "FROM -> TO", "VERDICT", "TOOK"):
        table.add_column(name, no_wrap=True)
    table.add_column("WHY", no_wrap=True, overflow="ellipsis")
    for handoff in handoffs:
        verdict, why = _word_verdict(handoff)
        table.add_row(
            Text(f"{handoff.ended_at:%H:%M:%S}"),
            Text(handoff.kind),
            Text(clean_text(handoff.step_id or "")),
            Text(str(handoff.attempt or "")),
            Text(f"{clean_text(handoff.sender)} -> {clean_text(handoff.receiver)}"),
            verdict,
            Text(_word_duration(handoff)),
            Text(why),
        )
    return table


def draw_full_handoffs(handoffs: Sequence[Handoff]) -> Group:
    """Return a journal with every payload and finding in full."""
    return Group(*(part for handoff in handoffs for part in _draw_full(handoff)))


def _draw_full(handoff: Handoff) -> Iterator[RenderableType]:
    head = Text(f"{handoff.ended_at:%Y-%m-%d %H:%M:%S}  {handoff.kind}", style="bold")
    if handoff.step_id:
        head.append(f"  step {clean_text(handoff.step_id)}")
    if handoff.attempt:
        head.append(f"  attempt {handoff.attempt}")
    sender, receiver = clean_text(handoff.sender), clean_text(handoff.receiver)
    head.append(f"  {sender} -> {receiver}", style="default")
    yield head
    verdict, why = _word_verdict(handoff)
    if verdict.plain:
        yield Text("  verdict ").append_text(verdict).append(f"  {why}" if why else "")
    for finding in handoff.verdict.findings if handoff.verdict else ():
        mark = "passed" if finding.passed else "failed"
        style = STYLES["good"] if finding.passed else STYLES["bad"]
        words = shorten(f"{finding.criterion}: {finding.message}".strip(": "), 2000)
        yield Text.assemble("    ", (mark, style), f"  {words}")
    shown = json.dumps(handoff.payload, indent=2, ensure_ascii=False)
    lines = "\n".join(line for text in shown.split("\n") for line in clean_lines(text))
    yield Padding(Text(lines, overflow="fold"), (0, 0, 1, 2), expand=False)


def _word_verdict(handoff: Handoff) -> tuple[Text, str]:
    verdict = handoff.verdict
    if verdict is None:
        return Text(clean_text(handoff.status or "")), ""
    style = STYLES["good"] if verdict.action == "accept" else STYLES["bad"]
    return Text(verdict.action, style=style), shorten(verdict.reason or "", 200)


def _word_duration(handoff: Handoff) -> str:
    if handoff.started_at is None or handoff.kind not in {"output", "answer"}:
        return ""
    return show_duration((handoff.ended_at - handoff.started_at).total_seconds())
