"""The report on one run: what happened, as a page. Pure; called by the orchestrator's reporting."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.telemetry.report.material import RunMaterial
from interlock.telemetry.report.page import render_page
from interlock.telemetry.report.run_handoffs import list_handoffs
from interlock.telemetry.report.run_steps import list_graphs, list_steps
from interlock.telemetry.report.run_tables import (
    describe_critical,
    describe_effect,
    describe_trail,
    list_plans,
    list_questions,
)
from interlock.telemetry.report.run_timeline import build_timeline
from interlock.telemetry.report.words import show_money, show_span, show_time

SIGNS: Final[Mapping[str, str]] = {
    "accepted": "\u2713",
    "degraded": "\u2248",
    "skipped": "\u2192",
    "failed": "\u2717",
    "blocked": "\u2298",
    "cancelled": "\u25a1",
    "waiting": "?",
    "running": "\u2026",
    "planned": "\u00b7",
}
"""Beside the colour, for whoever does not see it."""

_RUN_WORDS: Final[Mapping[str, str]] = {
    "completed": "Every step was accepted.",
    "degraded": "The run ended with less than was asked for: see the gaps.",
    "failed": "The run failed.",
    "cancelled": "The run was cancelled.",
    "waiting": "The run waits for a person.",
    "running": "The run is under way, or its process has gone.",
}


def render_run(material: RunMaterial) -> str:
    """Return the page.

    Raises:
        ConfigurationError: The extra `report` is not installed.
    """
    steps = list_steps(material)
    timeline = build_timeline(material)
    return render_page(
        "run.html",
        title=f"{material.run.thread_id}: {material.run.status}",
        **_tell_run(material),
        counts=sorted(Counter(step["status"] for step in steps).items()),
        steps=steps,
        graphs=list(list_graphs(material, steps)),
        timeline=timeline.svg,
        timeline_left_out=timeline.left_out,
        critical=describe_critical(material),
        trails=[describe_trail(trail, material=material) for trail in material.trails],
        gates=material.metrics.criteria,
        handoffs=list_handoffs(material),
        verdicts=sorted({h.verdict.action for h in material.handoffs if h.verdict is not None}),
        questions=list(list_questions(material)),
        effects=[describe_effect(effect) for effect in material.effects],
        effect_sums=material.metrics.effects,
        workers=material.metrics.workers,
        models=material.metrics.models,
        total=material.metrics.total,
        plans=list(list_plans(material)),
        now=material.now,
        command=material.command,
        signs=SIGNS,
    )


def _tell_run(material: RunMaterial) -> Mapping[str, Any]:
    run = material.run
    result = run.result if isinstance(run.result, dict) else {}
    return {
        "run": run,
        "status_words": _RUN_WORDS[run.status],
        "reason": result.get("reason") or run.cancel_reason,
        "facts": list(_list_facts(material)),
        "gaps": result.get("gaps") or [],
        "notes": result.get("notes") or [],
    }


def _list_facts(material: RunMaterial) -> Iterator[tuple[str, str]]:
    run, total = material.run, material.metrics.total
    has_ended = run.status in TERMINAL_RUN_STATUSES
    end = run.updated_at if has_ended else material.now
    yield "Thread", run.thread_id
    if run.team:
        yield "Team", run.team
    yield "Accepted", show_time(run.accepted_at)
    yield ("Took" if has_ended else "So far"), show_span(end - run.accepted_at)
    yield "Attempts", f"{total.attempts:,}"
    yield "Model calls", f"{total.model_calls:,}"
    yield "Tokens", f"{total.input_tokens + total.output_tokens:,}"
    if total.money:
        yield "Cost", show_money(total.money)
    yield "Handoffs", f"{len(material.handoffs):,}"
