"""The steps of one run as a report shows them, and its task graphs. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from interlock.contracts.blame import SettledStep
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import StepId
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.plan_order import derive_topological_order
from interlock.contracts.plan_version import PlanVersion
from interlock.telemetry.metrics.fault_trails import FaultTrail
from interlock.telemetry.report.graph_layout import GraphLayout, place_steps
from interlock.telemetry.report.material import RunMaterial
from interlock.telemetry.report.run_places import derive_anchor

ReportStep = dict[str, Any]

_LEFT_OUT = "A later version of the plan left it out."


def list_steps(material: RunMaterial) -> Sequence[ReportStep]:
    """Return all steps: a plan's in an order in which each comes after its needs, then teams' below.

    Steps that a later version left out stand last of their plan, with how they ended.
    """
    builder = _StepBuilder(material)
    return [
        step
        for scope, versions in sorted(material.plans.items())
        for step in builder.build_all(scope, versions)
    ]


class _StepBuilder:
    """Puts together what is known of each step."""

    def __init__(self, material: RunMaterial) -> None:
        self._outcomes: Mapping[str, SettledStep] = {
            str(outcome.step_id): outcome for outcome in material.lineage.outcomes
        }
        self._escalated = {row.step for row in material.metrics.steps if row.escalated}
        self._reasons = find_reasons(material.handoffs)
        self._briefed = {
            str(handoff.step_id) for handoff in material.handoffs if handoff.kind == "brief"
        }

    def build_all(self, scope: str, versions: Sequence[PlanVersion]) -> Iterator[ReportStep]:
        """Go through the steps of one plan, of all its versions."""
        newest = versions[-1].plan.index_steps()
        for step_id in derive_topological_order(newest):
            yield self._build(scope, newest[step_id], is_in_plan=True)
        for step in _list_left_out(newest, (version.plan for version in versions)):
            if f"{scope}{step.id}" in self._outcomes:
                yield self._build(scope, step, is_in_plan=False)

    def _build(self, scope: str, step: Step, *, is_in_plan: bool) -> ReportStep:
        path = f"{scope}{step.id}"
        outcome = self._outcomes.get(path)
        reason = self._reasons.get(path) or ""
        return {
            "path": path,
            "anchor": derive_anchor(path),
            "name": str(step.id),
            "scope": scope,
            "is_in_plan": is_in_plan,
            "instruction": step.instruction,
            "needs": [f"{scope}{need.step}" for need in step.needs],
            "worker": step.worker,
            "escalated": path in self._escalated,
            "reason": reason if is_in_plan else " ".join(filter(None, (_LEFT_OUT, reason))),
            **(self._tell_start(path) if outcome is None else _tell_outcome(outcome, step)),
        }

    def _tell_start(self, path: str) -> ReportStep:
        status = "running" if path in self._briefed else "planned"
        return {"status": status, "attempts": 0, "fallback": None, "took": None, "tokens": 0}


def _tell_outcome(outcome: SettledStep, step: Step) -> ReportStep:
    return {
        "status": outcome.status,
        "worker": outcome.worker or step.worker,
        "attempts": outcome.attempts,
        "fallback": outcome.fallback,
        "took": _measure(outcome),
        "tokens": outcome.tokens,
    }


def _measure(outcome: SettledStep) -> timedelta | None:
    begun, settled = outcome.begun_at, outcome.settled_at
    return None if begun is None or settled is None else settled - begun


def _list_left_out(newest: Mapping[StepId, Step], plans: Iterable[TaskGraph]) -> Sequence[Step]:
    """Return the steps that only older versions have, each as its last version had it."""
    left_out: dict[StepId, Step] = {}
    for plan in plans:
        left_out.update((step.id, step) for step in plan.steps if step.id not in newest)
    return list(left_out.values())


def find_reasons(handoffs: Iterable[Handoff]) -> Mapping[str, str]:
    """Return why each step is not accepted, as its last settlement or verdict says."""
    reasons: dict[str, str] = {}
    for handoff in handoffs:
        path = str(handoff.step_id)
        if handoff.kind == "settlement" and isinstance(handoff.payload, dict):
            reasons[path] = str(handoff.payload.get("reason") or "")
        elif handoff.kind == "output" and handoff.verdict is not None:
            reasons[path] = handoff.verdict.reason or ""
    return reasons


def list_graphs(material: RunMaterial, steps: Sequence[ReportStep]) -> Iterator[Mapping[str, Any]]:
    """Go through the task graphs: the run's own, then those of the teams within it.

    The ways of faulty values are drawn too where no need leads along them: a fact that was read.
    """
    spread = _Spread(material)
    for scope in sorted(material.plans):
        mine = {
            str(step["path"]): step
            for step in steps
            if step["scope"] == scope and step["is_in_plan"]
        }
        layout = place_steps({path: step["needs"] for path, step in mine.items()})
        yield {
            "scope": scope,
            "layout": layout,
            "steps": [
                {
                    **step,
                    "box": layout.steps[path],
                    "is_faulty": path in spread.faulty,
                    "is_tainted": path in spread.reached,
                }
                for path, step in mine.items()
            ],
            "edges": list(spread.list_edges(layout)),
        }


class _Spread:
    """Which steps of a page's thread faulty values came from and reached, and which way."""

    def __init__(self, material: RunMaterial) -> None:
        thread = material.run.thread_id
        trails: Sequence[FaultTrail] = material.trails
        reached = [
            one for trail in trails for one in trail.affected if one.place.thread_id == thread
        ]
        self.faulty = {
            str(trail.origin.step_id) for trail in trails if trail.origin.thread_id == thread
        }
        self.reached = {str(one.place.step_id) for one in reached}
        self._ways = {
            (str(one.via.step_id), str(one.place.step_id)): one.by
            for one in reached
            if one.via.thread_id == thread
        }

    def list_edges(self, layout: GraphLayout) -> Iterator[Mapping[str, Any]]:
        """Go through the edges of a graph, the ways of faulty values last: they cover others."""
        needs = {(source, target) for source, target, _ in layout.edges}
        for source, target, path in layout.edges:
            if (source, target) not in self._ways:
                yield _describe_edge(source, target, path)
        for (source, target), by in self._ways.items():
            drawn = layout.draw(source, target)
            if drawn is not None and (by != "loss" or (source, target) in needs):
                yield _describe_edge(source, target, drawn, by=by)


def _describe_edge(source: str, target: str, path: str, *, by: str = "") -> Mapping[str, object]:
    ends = {"source": source, "target": target, "path": path}
    return {**ends, "is_tainted": bool(by), "by": by}
