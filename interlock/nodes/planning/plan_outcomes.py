"""What has settled, read from the run graph's state."""

from interlock.contracts.ids import StepId
from interlock.contracts.outcome import StepOutcome
from interlock.nodes.run.run_state import RunState


def parse_outcomes(state: RunState) -> dict[StepId, StepOutcome]:
    """Return what has settled, by step id."""
    return {
        StepId(step): StepOutcome.model_validate(outcome)
        for step, outcome in state.get("outcomes", {}).items()
    }
