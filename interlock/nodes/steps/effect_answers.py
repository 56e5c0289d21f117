"""A person's word on an effect whose outcome nobody knew, taken to the ledger (I5).

Called by the brief node when it takes up a step that asked. Safe to repeat, and harmless where the
outcome has come to light meanwhile: by a late answer, or from the command line.
"""

from contextlib import suppress

from interlock.contracts.effect_errors import EffectSettledError
from interlock.contracts.effect_ledger import LoadEffect, SettleEffect
from interlock.contracts.ids import IdempotencyKey
from interlock.contracts.question import Answer
from interlock.nodes.steps.step_run import StepRun
from interlock.nodes.steps.step_state import StepState


async def take_answer(state: StepState, run: StepRun) -> bool | None:
    """Settle the effect that an answer is about, if it is about one.

    Returns whether it happened, by the ledger, which may have heard otherwise before; None if that
    is not known.
    """
    assignment = state["assignment"]
    if assignment.get("question_kind") != "effect" or assignment.get("answer") is None:
        return None
    answer = Answer.model_validate(assignment["answer"])
    settle = SettleEffect(
        thread_id=run.thread_id,
        key=IdempotencyKey(assignment["effect_key"]),
        happened=answer.type != "reject",
        answer=answer.value if answer.type == "edit" else None,
        why=answer.message or "",
    )
    ledger = run.storage.ledger
    with suppress(EffectSettledError):
        await ledger.apply(settle)
    effect = await ledger.apply(LoadEffect(thread_id=settle.thread_id, key=settle.key))
    if effect is None or effect.state in {"started", "unknown"}:
        return None
    return effect.state == "done"
