"""The report on one run: what happened, as a page. Pure; called by the orchestrator's reporting."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from interlock.contracts.handoff import Handoff
from interlock.contracts.outcome import StepStatus
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_order import derive_topological_order
from interlock.telemetry.report.charts import Row, draw_timeline
from interlock.telemetry.report.graph_layout import place_steps
from interlock.telemetry.report.material import RunMaterial
from interlock.telemetry.report.page import render_page
from interlock.telemetry.report.words import (
    show_money,
    show_span,
    show_text,
    show_time,
    show_us,
    show_value,
)

_PAYLOAD_CHARS: Final = 20_000
"""Of one payload, when a run has few handoffs."""

_ALL_CHARS: Final = 4_000_000
"""Of all payloads together."""

_MOST_ROWS: Final = 1500

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
    """Return the page."""
    steps = _list_steps(material)
    run = material.run
    result: Mapping[str, Any] = run.result or {}
    return render_page(
        "run.html",
        title=f"{run.thread_id}: {run.status}",
        run=run,
        status_words=_RUN_WORDS[run.status],
        reason=result.get("reason") or run.cancel_reason,
        facts=list(_list_facts(material)),
        gaps=list(result.get("gaps") or ()),
        notes=list(result.get("notes") or ()),
        counts=sorted(Counter(step["status"] for step in steps).items()),
        steps=steps,
        graphs=[graph for graph in _list_graphs(material, steps)],
        timeline=_draw_timeline(material, steps),
        critical=_describe_critical(material),
        trails=[_describe_trail(trail) for trail in material.trails],
        gates=material.metrics.criteria,
        handoffs=_list_handoffs(material),
        verdicts=sorted({h.verdict.action for h in material.handoffs if h.verdict is not None}),
        questions=list(_list_questions(material)),
        effects=[_describe_effect(effect) for effect in material.effects],
        effect_sums=material.metrics.effects,
        workers=material.metrics.workers,
        models=material.metrics.models,
        total=material.metrics.total,
        plans=list(_list_plans(material)),
        now=material.now,
        command=material.command,
        signs=SIGNS,
    )


def _list_facts(material: RunMaterial) -> Iterator[tuple[str, str]]:
    run, total = material.run, material.metrics.total
    ended = run.status in {"completed", "degraded", "failed", "cancelled"}
    end = run.updated_at if ended else material.now
    yield "Thread", run.thread_id
    if run.team:
        yield "Team", run.team
    yield "Accepted", show_time(run.accepted_at)
    yield ("Took" if ended else "So far"), show_span(end - run.accepted_at)
    yield "Attempts", str(total.attempts)
    yield "Model calls", str(total.model_calls)
    yield "Tokens", f"{total.input_tokens + total.output_tokens:,}"
    if total.money:
        yield "Cost", show_money(total.money)
    yield "Handoffs", str(len(material.handoffs))


def _list_steps(material: RunMaterial) -> list[dict[str, Any]]:
    """Return all steps in the order of their plans, those of teams below where they belong."""
    outcomes = {outcome.step_id: outcome for outcome in material.lineage.outcomes}
    metrics = {row.step: row for row in material.metrics.steps}
    reasons = _find_reasons(material.handoffs)
    briefed = {handoff.step_id for handoff in material.handoffs if handoff.kind == "brief"}
    steps: list[dict[str, Any]] = []
    for scope, versions in sorted(material.plans.items()):
        plan = versions[-1].plan
        for step_id in derive_topological_order(plan.index_steps()):
            path = f"{scope}{step_id}"
            step = plan.index_steps()[step_id]
            outcome = outcomes.get(path)
            counted = metrics.get(path)
            started = "running" if path in briefed else "planned"
            steps.append(
                {
                    "path": path,
                    "anchor": _anchor(path),
                    "name": step_id,
                    "scope": scope,
                    "instruction": step.instruction,
                    "needs": [f"{scope}{need.step}" for need in step.needs],
                    "status": started if outcome is None else outcome.status,
                    "worker": (None if outcome is None else outcome.worker) or step.worker,
                    "attempts": 0 if outcome is None else outcome.attempts,
                    "fallback": None if outcome is None else outcome.fallback,
                    "took": _span(outcome and outcome.begun_at, outcome and outcome.settled_at),
                    "tokens": 0 if outcome is None else outcome.tokens,
                    "reason": reasons.get(path),
                    "escalated": bool(counted and counted.escalated),
                }
            )
    return steps


def _span(begun: datetime | None, ended: datetime | None) -> timedelta | None:
    return None if not begun or not ended else ended - begun


def _anchor(path: str) -> str:
    """Return a name that no other step's is and that stands in an address as it is."""
    return "step-" + "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in "-_") else f".{ord(sign):x}."
        for sign in path
    )


def _find_reasons(handoffs: Iterable[Handoff]) -> dict[str, str]:
    """Return why each step is not accepted, as its last settlement or verdict says."""
    reasons: dict[str, str] = {}
    for handoff in handoffs:
        path = str(handoff.step_id)
        if handoff.kind == "settlement" and isinstance(handoff.payload, dict):
            reasons[path] = str(handoff.payload.get("reason") or "")
        elif handoff.kind == "output" and handoff.verdict is not None:
            reasons[path] = handoff.verdict.reason or ""
    return reasons


def _list_graphs(
    material: RunMaterial, steps: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Go through the task graphs: the run's own, then those of the teams within it."""
    faulty = {trail.origin.step_id for trail in material.trails}
    tainted = {one.place.step_id for trail in material.trails for one in trail.affected}
    ways = {
        (one.via.step_id, one.place.step_id)
        for trail in material.trails
        for one in trail.affected
    }
    for scope in sorted(material.plans):
        mine = {step["path"]: step for step in steps if step["scope"] == scope}
        layout = place_steps({path: step["needs"] for path, step in mine.items()})
        yield {
            "scope": scope,
            "layout": layout,
            "steps": [
                {**step, "box": layout.steps[path], "is_faulty": path in faulty,
                 "is_tainted": path in tainted}
                for path, step in mine.items()
            ],
            "edges": [
                {"path": drawn, "is_tainted": (source, target) in ways}
                for source, target, drawn in layout.edges
            ],
        }


def _draw_timeline(material: RunMaterial, steps: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the Gantt chart; None where nothing has times."""
    start = material.run.accepted_at
    rows = [row for row in _list_bars(material, start) if row["to"] > row["from"]]
    if not rows:
        return None
    first: dict[str, float] = {}
    for row in rows:
        first[row["step"]] = min(first.get(row["step"], row["from"]), row["from"])
    known = {step["path"] for step in steps}
    order = sorted((name for name in first if name in known or True), key=lambda n: (first[n], n))
    shown = set(order[:_MOST_ROWS])
    names = {name: show_text(name) for name in order}
    return draw_timeline(
        [{**row, "step": names[row["step"]]} for row in rows if row["step"] in shown],
        order=[names[name] for name in order[:_MOST_ROWS]],
    )


def _list_bars(material: RunMaterial, start: datetime) -> Iterator[Row]:
    lineage = material.lineage
    settled = {
        (outcome.step_id, outcome.superstep): outcome
        for outcome in lineage.outcomes
        if outcome.status != "waiting" and outcome.settled_at is not None
    }
    for output in lineage.outputs:
        if output.turn_at is None or output.started_at is None:
            continue
        path, turn = str(output.step_id), _seconds(output.turn_at, start)
        begun = _seconds(output.started_at, start)
        returned = begun + output.work_us / 1_000_000
        reviewed = returned + output.review_us / 1_000_000
        what = f"{path}, attempt {output.attempt}"
        yield _bar(path, "queue", turn - output.queue_us / 1_000_000, turn, what)
        yield _bar(path, "brief", turn, begun, what)
        yield _bar(path, "work", begun, returned, what)
        yield _bar(path, "review", returned, reviewed, what)
        outcome = settled.get((output.step_id, output.superstep))
        if outcome is not None and outcome.attempts == output.attempt:
            assert outcome.settled_at is not None  # noqa: S101 - chosen so
            yield _bar(path, "promotion", reviewed, _seconds(outcome.settled_at, start), what)
    for call in material.calls:
        if call.end is not None and call.record.caller.role == "worker" and call.record.calls:
            path = str(call.record.caller.path)
            what = f"{path}, model {call.record.model}"
            begun = _seconds(call.record.started_at, start)
            yield _bar(path, "model", begun, _seconds(call.end.ended_at, start), what)
    for question in lineage.questions:
        path = str(question.step_id)
        end = question.answered_at or material.now
        what = f"{path}, a person is asked"
        yield _bar(path, "person", _seconds(question.asked_at, start), _seconds(end, start), what)


def _bar(step: str, stage: str, begun: float, ended: float, what: str) -> Row:
    words = f"{what}, {stage} {show_span(max(0.0, ended - begun))}"
    return {
        "step": step,
        "stage": stage,
        "from": round(begun, 6),
        "to": round(ended, 6),
        "what": show_text(words),
    }


def _seconds(instant: datetime, start: datetime) -> float:
    return (instant - start).total_seconds()


def _describe_critical(material: RunMaterial) -> dict[str, Any] | None:
    path = material.critical
    if path is None or not path.steps:
        return None
    return {
        "steps": [
            {
                "path": step.step_id,
                "anchor": _anchor(step.step_id),
                "took": show_span(step.settled_at - step.begun_at),
            }
            for step in path.steps
        ],
        "stages": [(name, show_us(used)) for name, used in path.stages.items() if used],
        "savings": path.savings,
    }


def _describe_trail(trail: Any) -> dict[str, Any]:  # noqa: ANN401 - a FaultTrail
    return {
        "trail": trail,
        "origin": trail.origin.step_id,
        "anchor": _anchor(trail.origin.step_id),
        "path": [(one.step_id, _anchor(one.step_id)) for one in trail.path],
        "affected": [(one, _anchor(one.place.step_id)) for one in trail.affected],
    }


def _list_handoffs(material: RunMaterial) -> list[dict[str, Any]]:
    each = max(400, min(_PAYLOAD_CHARS, _ALL_CHARS // max(1, len(material.handoffs))))
    return [_describe_handoff(handoff, most=each) for handoff in material.handoffs]


def _describe_handoff(handoff: Handoff, *, most: int) -> dict[str, Any]:
    text = show_value(handoff.payload)
    verdict = handoff.verdict
    return {
        "handoff": handoff,
        "anchor": _anchor(str(handoff.step_id)) if handoff.step_id else None,
        "verdict": verdict.action if verdict is not None else (handoff.status or ""),
        "reason": (verdict.reason if verdict is not None else None) or "",
        "findings": verdict.findings if verdict is not None else (),
        "payload": text[:most],
        "is_cut": len(text) > most,
        "times": [
            (name, show_time(at))
            for name, at in (
                ("queued", handoff.queued_at),
                ("its turn", handoff.turn_at),
                ("started", handoff.started_at),
                ("handed over", handoff.ended_at),
                ("verdict", handoff.reviewed_at),
            )
            if at is not None
        ],
        "tokens": handoff.input_tokens + handoff.output_tokens,
    }


def _list_questions(material: RunMaterial) -> Iterator[dict[str, Any]]:
    asked: dict[str, Handoff] = {
        str(one.question_id): one
        for one in material.handoffs
        if one.kind == "answer" and one.question_id is not None
    }
    for recorded in material.answers.values():
        question, answer = recorded.question, recorded.answer
        handed = asked.get(str(question.id))
        waited = None if handed is None else handed.ended_at - question.asked_at
        words = answer.message or ("" if answer.value is None else json.dumps(answer.value))
        yield {
            "question": question,
            "answer": answer.type,
            "words": show_text(words),
            "waited": show_span(waited),
        }
    for question in material.questions:
        yield {
            "question": question,
            "answer": None,
            "words": "",
            "waited": show_span(material.now - question.asked_at),
        }


def _describe_effect(effect: Any) -> dict[str, Any]:  # noqa: ANN401 - an EffectRecord
    repeats = sum(not use.did_start for use in effect.uses)
    return {
        "effect": effect,
        "call": effect.describe(),
        "repeats": repeats,
        "is_undone": effect.undone_by is not None,
    }


def _list_plans(material: RunMaterial) -> Iterator[dict[str, Any]]:
    for scope, versions in sorted(material.plans.items()):
        before: TaskGraph | None = None
        for version in versions:
            names = set(version.plan.index_steps())
            old = set() if before is None else set(before.index_steps())
            yield {
                "scope": scope,
                "version": version,
                "added": sorted(names - old) if before is not None else [],
                "removed": sorted(old - names),
                "count": len(names),
            }
            before = version.plan


STATUSES: Final[tuple[StepStatus, ...]] = (
    "accepted",
    "degraded",
    "skipped",
    "failed",
    "blocked",
    "cancelled",
    "waiting",
)
