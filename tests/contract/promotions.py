"""Promotions as storage sees them: what is offered, on which base, and a rule as simple as can be."""

from collections.abc import Mapping
from typing import Any

from interlock.contracts.context_errors import PromotionProblem, PromotionRefusedError
from interlock.contracts.context_records import ContextVersion, FactRecord, FactRef, FactUse
from interlock.contracts.ids import StepId, ThreadId, WorkerName
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.promotion import EnteringFact, Promotion
from interlock.contracts.storage import Batch
from tests.contract.conftest import NOON

SHARED = "space/customer/c-42"
OWN = "thread/t"


def build_promotion(
    values: Mapping[str, Any],
    *,
    base: Mapping[str, int] | None = None,
    space: str = SHARED,
    thread_id: str = "t",
    step_id: str = "read",
    superstep: str = "c1",
    kind: Any = "promotion",
    sources: Any = (),
    **changes: Any,
) -> Promotion:
    """Return a promotion that is refused as soon as a key has another version than its base."""
    known = dict.fromkeys(values, 0) if base is None else dict(base)

    def decide(held: Mapping[str, FactRecord]) -> Mapping[str, EnteringFact]:
        for key, version in known.items():
            now = held[key].version if key in held else 0
            if now != version:
                raise PromotionRefusedError([PromotionProblem("conflict", key, f"{key} is {now}")])
        return {key: EnteringFact(value=value, rule="refuse") for key, value in values.items()}

    made = ContextVersion(
        kind=kind,
        thread_id=ThreadId(thread_id),
        superstep="" if kind != "promotion" else superstep,
        step_id=StepId(step_id) if kind == "promotion" else None,
        attempt=1 if kind == "promotion" else 0,
        worker=WorkerName("reader") if kind == "promotion" else None,
        base=known,
        at=NOON,
        **changes,
    )
    return Promotion(
        made=made,
        spaces=dict.fromkeys({*values, *known}, space),
        base=known if kind in {"promotion", "seed"} else {},
        sources=sources,
        decide=decide,
    )


def build_batch(promotion: Promotion) -> Batch:
    """Return the batch that settles the promotion's step."""
    made = promotion.made
    outcome = StepOutcome(step_id=made.step_id or StepId(""), status="accepted", value=1)
    return Batch(superstep=made.superstep, outcomes=(outcome,), promotion=promotion)


def build_use(
    ref: FactRef, *, thread_id: str = "t", step_id: str = "write", attempt: int = 1
) -> FactUse:
    """Return that an attempt was shown a fact."""
    return FactUse(
        space=ref.space,
        key=ref.key,
        version=ref.version,
        thread_id=ThreadId(thread_id),
        superstep="c1",
        step_id=StepId(step_id),
        attempt=attempt,
    )
