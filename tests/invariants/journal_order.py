"""The journal's order against the plan's needs, step by step."""

from collections.abc import Sequence

import interlock as il
from tests.invariants.outcome_model import Expected, PlannedStep

TAKES_LESS = {"accepted", "degraded", "skipped"}


def require_order(steps: Sequence[PlannedStep], handoffs: Sequence[il.Handoff]) -> None:
    """I3: no brief before the acceptance or settlement of everything that its step needs."""
    settled: dict[str, str] = {}
    needs = {step.id: step.needs for step in steps}
    for handoff in handoffs:
        step_id = str(handoff.step_id)
        if handoff.kind == "brief":
            for need, takes_less in needs[step_id].items():
                assert need in settled, (step_id, need)
                assert settled[need] in (TAKES_LESS if takes_less else {"accepted"}), step_id
        is_accepted = handoff.verdict is not None and handoff.verdict.action == "accept"
        if is_accepted or (handoff.kind == "settlement" and handoff.status != "waiting"):
            settled[step_id] = "accepted" if is_accepted else str(handoff.status)


def require_unstarted(expected: dict[str, Expected], handoffs: Sequence[il.Handoff]) -> None:
    """I3: what is blocked, or rests on what waits, was never handed over."""
    briefed = {handoff.step_id for handoff in handoffs if handoff.kind == "brief"}
    for step_id, each in expected.items():
        if each.status in {None, "blocked"}:
            assert step_id not in briefed, step_id
