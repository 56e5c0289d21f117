"""Metrics for a person: first what is worst, each table whole on request."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from interlock.console.clean_text import clean_text, count_of, show_duration
from interlock.console.fitting_table import FittingTable
from interlock.telemetry.metrics import Metrics, StageTimes
from interlock.telemetry.metrics.worst_first import (
    list_shares,
    rank_criteria,
    rank_edges,
    rank_steps,
    rank_workers,
)

_MOST_ROWS: Final = 5
"""Of each table on the first screen."""

_WORDS: Final = 60
_SECOND_US: Final = 1_000_000
_SPARE: Final = (
    "CACHED",
    "COST",
    "TOKENS/OK",
    "UNDECIDED",
    "REVIEW",
    "OTHER",
    "TOOL",
    "MODEL",
    "MEDIAN",
    "IN ALL",
    "LONGEST",
    "TRIES",
    "PASSED",
    "LESS",
    "BLOCKED",
    "TIMES",
    "RAISED",
    "DECIDED",
    "FIRST",
    "CAUGHT",
    "MEAN",
    "LET PASS",
)
"""Columns that a narrow terminal does without, the first first."""

_STAGES: Final = ("queue", "brief", "model", "tool", "other", "review", "promotion", "person")

Cells = Sequence[str]


def draw_metrics(metrics: Metrics) -> RenderableType:
    """Return the first screen: in sum, and the worst steps, workers, edges and validators."""
    if not metrics.runs.accepted and not metrics.total.settled and not metrics.total.waiting:
        return Group(
            Text("Nothing happened in this window."), *map(Text, _word_unmeasured(metrics))
        )
    parts: list[RenderableType] = [Text(line) for line in _word_sum(metrics)]
    for title, heads, rows, more in (
        ("STEPS, the worst first", *_list_steps(metrics)),
        ("WORKERS, the worst first", *_list_workers(metrics)),
        ("EDGES, the slowest first", *_list_edges(metrics)),
        ("VALIDATORS, the leakiest first", *_list_criteria(metrics)),
    ):
        if rows:
            parts += [Text(), _draw(title, heads, rows[:_MOST_ROWS])]
            if len(rows) > _MOST_ROWS:
                parts.append(Text(f"and {len(rows) - _MOST_ROWS} more: --by {more}", style="dim"))
    parts += [Text(line) for line in _word_rest(metrics)]
    return Group(*parts)


def draw_table(metrics: Metrics, *, by: str) -> RenderableType:
    """Return one table whole; its name is one of `TABLES`."""
    heads, rows, _ = TABLES[by](metrics)
    return _draw(by.upper(), heads, rows) if rows else Text(f"There are no {by} to count here.")


def _word_sum(metrics: Metrics) -> Iterator[str]:
    total, runs = metrics.total, metrics.runs
    yield (
        f"{count_of(total.settled, 'step')} of {count_of(runs.accepted, 'run')}: "
        f"{_share(total.completion_rate)} accepted, {_share(total.first_pass_rate)} at the first "
        f"attempt, {_share(total.degradation_rate)} degraded or skipped, {total.failed} failed, "
        f"{total.blocked} blocked, {total.waiting} waiting."
    )
    tokens = total.input_tokens + total.output_tokens
    yield (
        f"{count_of(total.attempts, 'attempt')}, {count_of(total.model_calls, 'model call')}, "
        f"{tokens:,} tokens ({_number(total.tokens_per_accepted)} an accepted step), "
        f"{_word_cost(total.money)}."
    )
    yield from _word_unmeasured(metrics)


def _word_unmeasured(metrics: Metrics) -> Iterator[str]:
    if metrics.unmeasured:
        yield (
            f"{count_of(metrics.unmeasured, 'step')} had settled before interlock kept times, and "
            "count nowhere here."
        )


def _word_rest(metrics: Metrics) -> Iterator[str]:
    asked = sum(row.asked for row in metrics.questions)
    if asked:
        yield ""
        answered = sum(row.answered for row in metrics.questions)
        longest = max(row.longest_wait_us for row in metrics.questions)
        yield (
            f"People were asked {asked} times and answered {answered}; the longest wait was "
            f"{_time(longest)}. Escalated: {_share(metrics.total.escalation_rate)} of steps."
        )
    if metrics.effects:
        rows = metrics.effects
        yield (
            f"Effects: {sum(row.made for row in rows)} made, "
            f"{sum(row.duplicates_suppressed for row in rows)} duplicates answered from the ledger, "
            f"{sum(row.unknown for row in rows)} unknown, {sum(row.undone for row in rows)} undone."
        )
    if metrics.faults:
        found = sum(row.found for row in metrics.faults)
        yield f"Faults found later in accepted values: {found}. See interlock blame, or --by faults."


def _list_steps(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = (
        "STEP",
        "DONE",
        "OK",
        "FIRST",
        "LESS",
        "FAILED",
        "BLOCKED",
        "TRIES",
        "TOKENS/OK",
        "COST",
    )
    rows: list[Cells] = [
        (
            row.step,
            str(row.settled),
            _share(row.completion_rate),
            _share(row.first_pass_rate),
            _share(row.degradation_rate),
            str(row.failed),
            str(row.blocked),
            _number(row.attempts_per_step, digits=2),
            _number(row.tokens_per_accepted),
            _money(row.money),
        )
        for row in rank_steps(metrics)
    ]
    return heads, rows, "steps"


def _list_workers(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = (
        "WORKER",
        "TRIES",
        "OK",
        "FIRST",
        "LESS",
        "RAISED",
        "MODEL",
        "TOOL",
        "OTHER",
        "REVIEW",
        "COST",
    )
    rows: list[Cells] = [
        (
            row.worker,
            str(row.attempts),
            _share(row.acceptance_rate),
            _share(row.first_pass_rate),
            _share(row.degradation_rate),
            str(row.raised),
            _time(row.model_us),
            _time(row.tool_us),
            _time(row.other_us),
            _time(row.review_us),
            _money(row.money),
        )
        for row in rank_workers(metrics)
    ]
    return heads, rows, "workers"


def _list_edges(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = ("HANDOFF", "TIMES", "MEAN", "LONGEST", "WHERE THE TIME WENT")
    rows: list[Cells] = [
        (
            f"{row.source or '(start)'} > {row.target}",
            str(row.handoffs),
            _time(row.mean_us),
            _time(row.longest_us),
            _word_stages(row.stages),
        )
        for row in rank_edges(metrics)
    ]
    return heads, rows, "edges"


def _word_stages(stages: StageTimes) -> str:
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in list_shares(stages))


def _list_criteria(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = (
        *("STEP", "CRITERION", "DECIDED", "PASSED", "FIRST", "LESS", "UNDECIDED", "CAUGHT"),
        *("LET PASS", "ESCAPE"),
    )
    rows: list[Cells] = [
        (
            row.step,
            _cut(row.criterion),
            str(row.decided),
            _share(row.pass_rate),
            _share(row.first_pass_rate),
            _share(row.degradation_rate),
            str(row.undecided),
            str(row.caught),
            str(row.escaped),
            _share(row.escape_rate),
        )
        for row in rank_criteria(metrics)
    ]
    return heads, rows, "criteria"


def _list_stages(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = ("STAGE", "TIMES", "IN ALL", "MEAN", "MEDIAN", "P95", "LONGEST")
    order = {name: place for place, name in enumerate((*_STAGES, "judge"))}
    rows: list[Cells] = [
        (
            row.stage,
            str(row.count),
            *map(_time, (row.total_us, row.mean_us, row.p50_us, row.p95_us, row.longest_us)),
        )
        for row in sorted(metrics.stages, key=lambda row: order.get(row.stage, len(order)))
    ]
    return heads, rows, "stages"


def _list_models(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = ("MODEL", "ROLE", "CALLS", "FAILED", "LOST", "INPUT", "OUTPUT", "CACHED", "COST")
    rows: list[Cells] = [
        (
            row.model or "(not told)",
            row.role,
            str(row.calls),
            str(row.failed),
            str(row.unended),
            f"{row.input_tokens:,}",
            f"{row.output_tokens:,}",
            f"{row.cached_tokens:,}",
            _money(row.money),
        )
        for row in metrics.models
    ]
    return heads, rows, "models"


def _list_effects(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = ("TOOL", "MADE", "FAILED", "UNKNOWN", "UNDONE", "DUPLICATES ANSWERED")
    rows: list[Cells] = [
        (
            row.tool,
            *map(str, (row.made, row.failed, row.unknown, row.undone, row.duplicates_suppressed)),
        )
        for row in metrics.effects
    ]
    return heads, rows, "effects"


def _list_questions(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = ("QUESTION", "ASKED", "ANSWERED", "OPEN", "MEAN WAIT", "LONGEST")
    rows: list[Cells] = [
        (
            row.kind,
            str(row.asked),
            str(row.answered),
            str(row.still_open),
            "-" if row.mean_wait_us is None else _time(row.mean_wait_us),
            _time(row.longest_wait_us),
        )
        for row in metrics.questions
    ]
    return heads, rows, "questions"


def _list_fallbacks(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = ("FALLBACK", "STEP", "ENDED", "STEPS")
    rows: list[Cells] = [
        (row.fallback, row.step, row.status, str(row.steps)) for row in metrics.fallbacks
    ]
    return heads, rows, "fallbacks"


def _list_faults(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    heads = ("STEP", "FOUND", "FINDINGS", "VALUES")
    rows: list[Cells] = [
        (row.step, row.how, str(row.found), str(row.values)) for row in metrics.faults
    ]
    return heads, rows, "faults"


def _list_runs(metrics: Metrics) -> tuple[Cells, list[Cells], str]:
    names = ("running", "waiting", "completed", "degraded", "failed", "cancelled")
    counted = {name: int(getattr(metrics.runs, name)) for name in names}
    return ("STATUS", "RUNS"), [(name, str(n)) for name, n in counted.items() if n], "runs"


TABLES: Final[Mapping[str, Callable[[Metrics], tuple[Cells, list[Cells], str]]]] = {
    "steps": _list_steps,
    "workers": _list_workers,
    "criteria": _list_criteria,
    "edges": _list_edges,
    "stages": _list_stages,
    "models": _list_models,
    "effects": _list_effects,
    "questions": _list_questions,
    "fallbacks": _list_fallbacks,
    "faults": _list_faults,
    "runs": _list_runs,
}
"""The tables by the names that `--by` takes."""


def _draw(title: str, heads: Cells, rows: Iterable[Cells]) -> FittingTable:
    return FittingTable(
        title=title,
        heads=heads,
        rows=[[clean_text(cell) for cell in row] for row in rows],
        words=frozenset({heads[0], "STEP", "CRITERION", "WHERE THE TIME WENT"}),
        names=frozenset({"ROLE", "ENDED", "FOUND"}),
        spare=[head for head in _SPARE if head != heads[0]],
    )


def _share(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f} %"


def _number(value: float | None, *, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _word_cost(amount: Decimal) -> str:
    return f"cost {_money(amount)}" if amount else "no prices known"


def _money(amount: Decimal) -> str:
    return "-" if not amount else f"{amount:.4f}"


def _time(microseconds: float) -> str:
    if microseconds < _SECOND_US:
        return f"{microseconds / 1000:.1f} ms" if microseconds else "0"
    return show_duration(microseconds / _SECOND_US)


def _cut(words: str) -> str:
    return words if len(words) <= _WORDS else f"{words[: _WORDS - 4]} ..."
