"""What a step waits for, and whose outputs its brief shows: where an error can come from."""

from interlock.contracts.attempt_parts import StepNeed
from interlock.contracts.ids import StepId
from interlock.contracts.plan import Step
from interlock.nodes.run.place import Place


def find_source(step: Step, name: str) -> StepId | None:
    """Return the step, within its team, whose output an input shows; None if it is no other's."""
    if name in step.arguments:
        return None
    if step.inputs is None:
        return next((need.step for need in step.needs if need.step == name), None)
    path = step.inputs.get(name)
    return None if path is None else StepId(path.split(".")[0])


def list_needs(step: Step, place: Place) -> tuple[StepNeed, ...]:
    """Return what a step waits for, as it is recorded."""
    names = [need.step for need in step.needs] if step.inputs is None else list(step.inputs)
    read = {find_source(step, name) for name in names}
    scope = place.path[: len(place.path) - len(step.id)]
    return tuple(
        StepNeed(
            thread_id=place.thread_id,
            superstep=place.superstep,
            step_id=place.path,
            need=StepId(f"{scope}{need.step}"),
            is_read=need.step in read,
        )
        for need in step.needs
    )
