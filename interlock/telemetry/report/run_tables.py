"""What one run's report says of faults, questions, effects and plans. Pure."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta

from interlock.contracts.effects import EffectRecord
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import StepId
from interlock.telemetry.metrics.fault_trails import FaultTrail
from interlock.telemetry.report.material import RunMaterial
from interlock.telemetry.report.run_places import derive_anchor, describe_place
from interlock.telemetry.report.words import show_span, show_us


def describe_critical(material: RunMaterial) -> Mapping[str, object] | None:
    """Return the chain of steps that decided when the run ended; None where there is none."""
    path = material.critical
    if path is None or not path.steps:
        return None
    return {
        "steps": [
            {
                "path": step.step_id,
                "anchor": derive_anchor(step.step_id),
                "took": show_span(step.settled_at - step.begun_at),
            }
            for step in path.steps
        ],
        "stages": [(name, show_us(used)) for name, used in path.stages.items() if used],
        "savings": path.savings,
    }


def describe_trail(trail: FaultTrail, *, material: RunMaterial) -> Mapping[str, object]:
    """Return where a faulty value came from and went; steps of other threads have no link."""
    thread = material.run.thread_id
    return {
        "trail": trail,
        "origin": describe_place(trail.origin, thread_id=thread),
        "path": [describe_place(place, thread_id=thread) for place in trail.path],
        "affected": [(one, *describe_place(one.place, thread_id=thread)) for one in trail.affected],
        "rests_on": [describe_place(place, thread_id=thread) for place in trail.rests_on],
    }


def list_questions(material: RunMaterial) -> Iterator[Mapping[str, object]]:
    """Go through the answered questions, then the open ones."""
    answered: dict[str, Handoff] = {
        str(one.question_id): one
        for one in material.handoffs
        if one.kind == "answer" and one.question_id is not None
    }
    for recorded in material.answers.values():
        question, answer = recorded.question, recorded.answer
        handed = answered.get(str(question.id))
        waited = None if handed is None else handed.ended_at - question.asked_at
        value = "" if answer.value is None else json.dumps(answer.value, ensure_ascii=False)
        yield {
            "question": question,
            "answer": answer.type,
            "words": " ".join(filter(None, (answer.message, value))),
            "waited": show_span(waited),
        }
    for question in material.questions:
        yield {
            "question": question,
            "answer": None,
            "words": "",
            "waited": show_span(max(timedelta(0), material.now - question.asked_at)),
        }


def describe_effect(effect: EffectRecord) -> Mapping[str, object]:
    """Return an effect, and how many calls were answered from the ledger."""
    return {
        "effect": effect,
        "call": effect.describe(),
        "repeats": sum(not use.did_start for use in effect.uses),
        "is_undone": effect.undone_by is not None,
    }


def list_plans(material: RunMaterial) -> Iterator[Mapping[str, object]]:
    """Go through all versions of all plans, with what each changed."""
    for scope, versions in sorted(material.plans.items()):
        before: frozenset[StepId] = frozenset()
        for place, version in enumerate(versions):
            names = frozenset(version.plan.index_steps())
            yield {
                "scope": scope,
                "version": version,
                "added": sorted(names - before) if place else [],
                "removed": sorted(before - names),
                "count": len(names),
            }
            before = names
