"""Where an outcome belongs: thread, superstep, step."""

from dataclasses import dataclass

from interlock.contracts.ids import StepId, ThreadId


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an outcome belongs.

    Attributes:
        thread_id: The run's thread.
        superstep: Checkpoint id of the dispatch superstep.
        path: The step's id, prefixed by its team's scope.
    """

    thread_id: ThreadId
    superstep: str
    path: StepId
