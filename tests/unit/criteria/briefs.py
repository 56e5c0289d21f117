"""A brief for reviews, and a step with the criteria at hand."""

from typing import Any

import interlock as il
from interlock.contracts.brief import Scratchpad
from interlock.contracts.ids import StepId
from interlock.contracts.plain import freeze
from interlock.criteria import CriteriaEngine
from tests.integration.teams import build_step, give

BRIEF = il.Brief(
    step_id=StepId("s"),
    attempt=2,
    instruction="Do s",
    inputs=freeze({"limit": 3}),
    context=freeze({"region": "EU"}),
    scratchpad=Scratchpad(),
)


async def review(
    output: Any,
    *criteria: Any,
    checks: dict[str, Any] | None = None,
    worker_output: Any = None,
    **fields: Any,
) -> tuple[il.Finding, ...]:
    """Return the findings of an output under criteria, output types and checks."""
    worker = il.Worker(name="w", agent=give(1), output=worker_output)
    step = build_step("s", "w", criteria=criteria, **fields)
    return await CriteriaEngine(checks or {}).review(output, BRIEF, step=step, worker=worker)
