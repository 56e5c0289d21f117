"""Replays for a person: one beside what was recorded, many as counts and what changed."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, count_of, shorten
from interlock.console.event_words import Mood
from interlock.console.palette import STYLES
from interlock.console.value_difference import draw_value_difference
from interlock.contracts.criteria import Finding
from interlock.contracts.replay import (
    Replay,
    ReplayChange,
    ReplayReport,
    ReplaySide,
)
from interlock.telemetry.metrics.intervals import derive_interval

_MOST_LINES: Final = 40
_LINE_CHARS: Final = 160
_MOST_CHANGED: Final = 20

CHANGES: Final[dict[ReplayChange, tuple[str, Mood]]] = {
    "same": ("the verdict is the same", "good"),
    "now_accepted": ("refused then, would be accepted now", "odd"),
    "now_refused": ("accepted then, would be refused now", "bad"),
    "not_comparable": ("the verdicts cannot be compared", "odd"),
}


def draw_replay(replay: Replay) -> RenderableType:
    """Return a replay with both sides: values, findings, effects."""
    words, mood = CHANGES[replay.change]
    head = Text(f"Step {clean_text(replay.step)}, attempt {replay.attempt}: ")
    head.append(words, style=STYLES[mood])
    parts: list[RenderableType] = [head, _draw_sides(replay)]
    if replay.replayed.findings or replay.recorded.findings:
        parts += [Text(), _draw_findings(replay)]
    if replay.is_same_value:
        parts += [Text(), Text("Both sides gave the same.")]
    elif replay.replayed.error is None and replay.recorded.error is None:
        values = (replay.recorded.value, replay.replayed.value)
        parts += [Text(), *draw_value_difference(*values, most=_MOST_LINES, around=1)]
    parts += [Text(line) for line in _word_effects(replay)]
    return Group(*parts)


def draw_report(report: ReplayReport) -> RenderableType:
    """Return what many replays come to."""
    parts: list[RenderableType] = [Text(line) for line in _word_counts(report)]
    changed = report.changed
    if changed:
        parts += [Text(), _draw_changed(changed[:_MOST_CHANGED])]
        if len(changed) > _MOST_CHANGED:
            parts.append(Text(f"and {len(changed) - _MOST_CHANGED} more: --json", style="dim"))
    for one in report.left_out[:_MOST_CHANGED]:
        place = f"{one.thread_id} {one.step}, attempt {one.attempt}"
        words = shorten(_word_unknown(one), _LINE_CHARS)
        parts.append(Text(clean_text(f"Not compared: {place}: {words}"), style=STYLES["odd"]))
    for failure in report.failures[:_MOST_CHANGED]:
        place = f"{failure.thread_id} {failure.step}, attempt {failure.attempt}"
        parts.append(Text(clean_text(f"Not replayed: {place}: {failure.why}"), style=STYLES["odd"]))
    return Group(*parts)


def _word_counts(report: ReplayReport) -> Iterator[str]:
    compared, changed = report.compared, len(report.changed)
    if not report.replays and not report.failures:
        yield "There are no attempts to replay in this window."
        return
    yield (
        f"{count_of(compared, 'verdict')} compared: {report.count('same')} the same, "
        f"{report.count('now_refused')} would now be refused, "
        f"{report.count('now_accepted')} would now be accepted."
    )
    if compared:
        low, high = derive_interval(changed, compared)
        yield (
            f"{100 * changed / compared:.1f} % change; with 95 % confidence "
            f"{100 * low:.1f} to {100 * high:.1f} % of attempts like these."
        )
    odd = report.count("not_comparable")
    if odd or report.failures:
        yield (
            f"Left out: {odd} whose verdicts cannot be compared, {len(report.failures)} that could "
            "not be replayed."
        )


def _draw_changed(changed: Sequence[Replay]) -> Table:
    table = _open_table("THREAD", "STEP", "ATTEMPT", "WOULD BE", "WHY")
    for one in changed:
        word = "accepted" if one.change == "now_accepted" else "refused"
        side = one.recorded if one.change == "now_accepted" else one.replayed
        table.add_row(
            *(
                Text(clean_text(cell))
                for cell in (one.thread_id, one.step, str(one.attempt), word, _word_refusal(side))
            )
        )
    return table


def _word_unknown(one: Replay) -> str:
    """Return why nobody knows how a verdict changes, in a line."""
    if one.effects_refused:
        return "; ".join(one.effects_refused)
    if one.replayed.asked is not None:
        return f"stopped to ask a person: {one.replayed.asked}"
    if one.recorded.is_refused_by_others:
        return f"no criterion had refused it: {_word_refusal(one.recorded)}"
    return "one side has no verdict"


def _word_refusal(side: ReplaySide) -> str:
    """Return why a side is refused, in a line."""
    if side.error is not None:
        return shorten(side.error, _LINE_CHARS)
    failed = [one for one in side.findings if not one.passed]
    words = "; ".join(f"{one.criterion}: {one.message}" for one in failed)
    return shorten(words or "-", _LINE_CHARS)


def _draw_sides(replay: Replay) -> Table:
    table = _open_table("", "RECORDED", "NOW")
    sides = (replay.recorded, replay.replayed)
    table.add_row("worker", *(Text(clean_text(side.worker)) for side in sides))
    table.add_row("verdict", *(Text(_word_verdict(side)) for side in sides))
    table.add_row("output", *(Text(clean_text(_word_output(side))) for side in sides))
    return table


def _word_verdict(side: ReplaySide) -> str:
    if side.accepted is None:
        return "none"
    return "accepted" if side.accepted else "refused"


def _word_output(side: ReplaySide) -> str:
    if side.error is not None:
        return shorten(f"raised {side.error}", _LINE_CHARS)
    if side.asked is not None:
        return shorten(f"stopped to ask a person: {side.asked}", _LINE_CHARS)
    return shorten(json.dumps(side.value, ensure_ascii=False), _LINE_CHARS)


def _draw_findings(replay: Replay) -> Table:
    table = _open_table("CRITERION", "RECORDED", "NOW", "WHY NOT NOW")
    before = {one.criterion: one for one in replay.recorded.findings}
    after = {one.criterion: one for one in replay.replayed.findings}
    for name in dict.fromkeys((*before, *after)):
        now = after.get(name)
        table.add_row(
            Text(clean_text(shorten(name, _LINE_CHARS))),
            Text(_word_finding(before.get(name))),
            Text(_word_finding(now)),
            Text(
                clean_text(shorten("" if now is None or now.passed else now.message, _LINE_CHARS))
            ),
        )
    return table


def _word_finding(finding: Finding | None) -> str:
    if finding is None:
        return "not asked"
    return "passed" if finding.passed else "failed"


def _word_effects(replay: Replay) -> Iterator[str]:
    if replay.effects_answered:
        yield (
            f"{count_of(replay.effects_answered, 'guarded call')} answered from the ledger; nothing "
            "was changed outside."
        )
    for words in replay.effects_refused:
        yield clean_text(f"Not made, since a replay changes nothing: {words}")


def _open_table(*heads: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        table.add_column(head, overflow="fold")
    return table
