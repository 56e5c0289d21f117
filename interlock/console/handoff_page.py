"""The journal for a person: one line a handoff, or everything that was handed over."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from interlock.console.clean_text import clean_lines, clean_text, shorten, show_duration
from interlock.console.palette import STYLES
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import HandoffId

AttemptsAbove: TypeAlias = Mapping[HandoffId, tuple[int, ...]]
"""Of handoffs within nested teams: which attempts of the steps above they belong to."""

_HEADS: Final = ("TIME", "HANDOFF", "STEP", "ATTEMPT", "FROM -> TO", "VERDICT", "TOOK")
_GAP: Final = "  "
_REASON_INDENT: Final = 10


@dataclass(frozen=True, slots=True)
class HandoffLines:
    """A journal as lines under each other, oldest first.

    Where a line has no room for the reason, as on most terminals, it goes below. `2.1` is the first
    attempt within the second attempt of the step above.
    """

    handoffs: Sequence[Handoff]
    above: AttemptsAbove = field(default_factory=dict)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the lines in the room that there is."""
        del console
        rows = [_draw_cells(handoff, self.above) for handoff in self.handoffs]
        reasons = [_word_verdict(handoff)[1] for handoff in self.handoffs]
        widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
        width = sum(widths) + len(_GAP) * len(widths)
        is_beside = width + max(map(len, reasons)) <= options.max_width
        yield _join(tuple(map(Text, _HEADS)), "WHY" if is_beside else "", widths, style="dim")
        for cells, reason in zip(rows, reasons, strict=True):
            yield _join(cells, reason if is_beside else "", widths)
            if reason and not is_beside:
                yield Padding(Text(reason, style="dim"), (0, 0, 0, _REASON_INDENT), expand=False)


def _draw_cells(handoff: Handoff, above: AttemptsAbove) -> tuple[Text, ...]:
    return (
        Text(f"{handoff.ended_at:%H:%M:%S}"),
        Text(handoff.kind),
        Text(clean_text(handoff.step_id or "")),
        Text(_word_attempt(handoff, above)),
        Text(f"{clean_text(handoff.sender)} -> {clean_text(handoff.receiver)}"),
        _word_verdict(handoff)[0],
        Text(_word_duration(handoff)),
    )


def _word_attempt(handoff: Handoff, above: AttemptsAbove) -> str:
    """Return which attempt it is, with those of the steps above if one of them is no first."""
    outer = above.get(handoff.id, ())
    if not handoff.attempt or max(outer, default=1) == 1:
        return str(handoff.attempt or "")
    return ".".join(map(str, (*outer, handoff.attempt)))


def _join(cells: Sequence[Text], reason: str, widths: Sequence[int], *, style: str = "") -> Text:
    line = Text(style=style, no_wrap=True, overflow="ignore")
    for cell, width in zip(cells, widths, strict=True):
        line.append_text(cell).append(" " * (width - len(cell)) + _GAP)
    line.append(reason)
    line.rstrip()
    return line


def draw_full_handoffs(handoffs: Sequence[Handoff], above: AttemptsAbove) -> Group:
    """Return a journal with every payload and finding in full."""
    return Group(*(part for handoff in handoffs for part in _draw_full(handoff, above)))


def _draw_full(handoff: Handoff, above: AttemptsAbove) -> Iterator[RenderableType]:
    head = Text(f"{handoff.ended_at:%Y-%m-%d %H:%M:%S}  {handoff.kind}", style="bold")
    if handoff.step_id:
        head.append(f"  step {clean_text(handoff.step_id)}")
    if handoff.attempt:
        head.append(f"  attempt {_word_attempt(handoff, above)}")
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
