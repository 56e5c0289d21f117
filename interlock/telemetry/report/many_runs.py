"""The report on many runs: what is the problem, as a page. Pure; called by the orchestrator's reporting."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from interlock.contracts.run_record import RunRecord
from interlock.telemetry.metrics.fault_trails import FaultTrail
from interlock.telemetry.metrics.tables import (
    EdgeMetrics,
    Metrics,
    RunMetrics,
    StageMetrics,
    StageTimes,
)
from interlock.telemetry.metrics.worst_first import (
    list_shares,
    rank_criteria,
    rank_edges,
    rank_steps,
    rank_workers,
)
from interlock.telemetry.report.charts import STAGES, draw_bars
from interlock.telemetry.report.material import ManyMaterial
from interlock.telemetry.report.page import render_page
from interlock.telemetry.report.words import (
    show_money,
    show_share,
    show_span,
    show_text,
    show_time,
)

_MOST_TRAILS: Final = 50
_MOST_RUNS: Final = 200
_MOST_BARS: Final = 8
_GOAL_CHARS: Final = 120
_SECOND_US: Final = 1_000_000
_ORDER: Final = (
    "queue",
    "brief",
    "model",
    "tool",
    "other",
    "review",
    "judge",
    "promotion",
    "person",
)
_ENDED: Final = frozenset({"completed", "degraded", "failed", "cancelled"})

SIGNS: Final[Mapping[str, str]] = {
    "completed": "\u2713",
    "degraded": "\u2248",
    "failed": "\u2717",
    "cancelled": "\u25a1",
    "waiting": "?",
    "running": "\u2026",
}
"""Beside the colour, for whoever does not see it."""


def render_many(material: ManyMaterial) -> str:
    """Return the page.

    Raises:
        ConfigurationError: The extra `report` is not installed.
    """
    metrics = material.metrics
    edges = rank_edges(metrics)
    days = [(day, found) for day, found in material.days if found.runs.accepted or found.steps]
    return render_page(
        "many.html",
        title=_word_title(metrics),
        headline=_word_headline(metrics),
        facts=list(_list_facts(metrics)),
        counts=_count_runs(metrics.runs),
        signs=SIGNS,
        worst=list(_list_worst(metrics)),
        metrics=metrics,
        steps=rank_steps(metrics),
        workers=rank_workers(metrics),
        edges=[_describe_edge(edge) for edge in edges],
        edge_chart=_draw_edges(edges[:_MOST_BARS]),
        gates=rank_criteria(metrics),
        trails=[_describe_trail(trail) for trail in material.trails[:_MOST_TRAILS]],
        trails_left=max(0, len(material.trails) - _MOST_TRAILS),
        stages=_sort_stages(metrics.stages),
        stage_chart=_draw_stages(_sort_stages(metrics.stages)),
        days=days,
        day_chart=_draw_days(days),
        runs=[_describe_run(run) for run in material.runs[:_MOST_RUNS]],
        runs_left=max(0, metrics.runs.accepted - min(len(material.runs), _MOST_RUNS)),
        now=material.now,
    )


def _word_title(metrics: Metrics) -> str:
    runs = metrics.runs.accepted
    return f"{runs:,} run{'' if runs == 1 else 's'}" + (
        f" of {metrics.team}" if metrics.team else ""
    )


def _word_headline(metrics: Metrics) -> str:
    total = metrics.total
    if not total.decided:
        return "No step was decided in this time."
    words = (
        f"{total.accepted:,} of {total.decided:,} decided steps were accepted, "
        f"{total.first_pass:,} of them at the first attempt."
    )
    less = total.degraded + total.skipped
    lost = f" {less:,} settled for less, {total.failed:,} failed, {total.blocked:,} were blocked."
    return words + (lost if less + total.failed + total.blocked else "")


def _list_facts(metrics: Metrics) -> Iterator[tuple[str, str]]:
    total = metrics.total
    yield "From", show_time(metrics.since) or "the first run"
    yield "Until", show_time(metrics.until) or "now"
    yield "Runs completed", show_share(metrics.runs.completion_rate)
    yield "Steps accepted", show_share(total.completion_rate)
    yield "At the first attempt", show_share(total.first_pass_rate)
    yield "Settled for less", show_share(total.degradation_rate)
    yield "A person was asked", show_share(total.escalation_rate)
    yield "Attempts", f"{total.attempts:,}"
    yield "Model calls", f"{total.model_calls:,}"
    yield "Tokens", f"{total.input_tokens + total.output_tokens:,}"
    if total.tokens_per_accepted is not None:
        yield "Tokens an accepted step", f"{total.tokens_per_accepted:,.0f}"
    if total.money:
        yield "Cost", show_money(total.money)
        yield "Cost of an accepted step", show_money(total.money_per_accepted)


def _count_runs(runs: RunMetrics) -> list[tuple[str, int]]:
    counted = [(status, int(getattr(runs, status))) for status in SIGNS]
    return [(status, number) for status, number in counted if number]


def _list_worst(metrics: Metrics) -> Iterator[tuple[str, str, str, str]]:
    """Go through the answers to "which is the problem": about what, which, why, and where to read on."""
    steps = [row for row in rank_steps(metrics) if row.decided > row.accepted]
    if steps:
        row = steps[0]
        why = f"{row.decided - row.accepted:,} of {row.decided:,} not accepted"
        yield "Step", row.step, why, "steps"
    workers = [row for row in rank_workers(metrics) if row.refused]
    if workers:
        worker = workers[0]
        why = f"{worker.refused:,} of {worker.attempts:,} attempts refused"
        yield "Worker", worker.worker, why, "workers"
    for edge in rank_edges(metrics)[:1]:
        took, most = show_span(edge.stages.life_us / _SECOND_US), list_shares(edge.stages)[:1]
        where = f", {100 * most[0][1]:.0f} % of it {most[0][0]}" if most else ""
        yield "Handoff", _name_edge(edge), f"{took} in all{where}", "edges"
    leaky = [row for row in rank_criteria(metrics) if row.escaped]
    if leaky:
        gate = leaky[0]
        why = f"let {gate.escaped:,} of {gate.escaped + gate.caught:,} faulty values pass"
        yield "Validator", f"{gate.criterion} ({gate.step})", why, "gates"


def _name_edge(edge: EdgeMetrics) -> str:
    return f"{edge.source or '(start)'} \u2192 {edge.target}"


def _describe_edge(edge: EdgeMetrics) -> dict[str, Any]:
    return {
        "row": edge,
        "name": _name_edge(edge),
        "where": ", ".join(
            f"{name} {100 * share:.0f} %" for name, share in list_shares(edge.stages)
        ),
    }


def _draw_edges(edges: Sequence[EdgeMetrics]) -> str | None:
    """Return where the time of the slowest edges went; None if they took none."""
    spent = [_list_spent(edge.stages) for edge in edges]
    used = _order_stages({name for one in spent for name, us in one.items() if us > 0})
    rows = [
        {
            "edge": show_text(_name_edge(edge)),
            "stage": "work" if name == "other" else name,
            "seconds": max(0, one[name]) / _SECOND_US,
        }
        for edge, one in zip(edges, spent, strict=True)
        for name in used
    ]
    return draw_bars(rows, x="seconds", y="edge", colour="stage") if rows else None


def _list_spent(stages: StageTimes) -> dict[str, int]:
    """Return the stages that have a colour."""
    return {
        name: int(getattr(stages, f"{name}_us"))
        for name in _ORDER
        if name == "other" or name in STAGES
    }


def _order_stages(names: Iterable[str]) -> Sequence[str]:
    """Return stages in the order in which a step goes through them; unknown ones stand last."""
    order = {name: place for place, name in enumerate(_ORDER)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def _sort_stages(stages: Sequence[StageMetrics]) -> Sequence[StageMetrics]:
    by_name = {row.stage: row for row in stages}
    return [by_name[name] for name in _order_stages(by_name)]


def _draw_stages(stages: Sequence[StageMetrics]) -> str | None:
    """Return how long nineteen of twenty took no longer than; None if nothing took time.

    People are left out: beside them nothing else would be seen.
    """
    rows = [
        {"stage": row.stage, "seconds": row.p95_us / _SECOND_US}
        for row in stages
        if row.stage != "person"
    ]
    return draw_bars(rows, x="seconds", y="stage") if any(row["seconds"] for row in rows) else None


def _draw_days(days: Sequence[tuple[str, Metrics]]) -> str | None:
    """Return the share of accepted steps, day by day; None if no day has one."""
    rows = [
        {"day": day, "share": metrics.total.completion_rate}
        for day, metrics in days
        if metrics.total.completion_rate is not None
    ]
    return draw_bars(rows, x="share", y="day", percent=True) if rows else None


def _describe_trail(trail: FaultTrail) -> dict[str, Any]:
    thread = shlex.quote(trail.origin.thread_id)
    return {
        "trail": trail,
        "command": f"interlock blame {thread}",
        "path": [one.step_id for one in trail.path],
    }


def _describe_run(run: RunRecord) -> dict[str, Any]:
    thread = shlex.quote(run.thread_id)
    is_long = len(run.goal) > _GOAL_CHARS
    return {
        "run": run,
        "goal": run.goal[: _GOAL_CHARS - 1] + "\u2026" if is_long else run.goal,
        "took": run.updated_at - run.accepted_at if run.status in _ENDED else None,
        "command": f"interlock report {thread}",
    }
