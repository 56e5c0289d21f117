"""The step graph's state: one step's life, from brief to settlement."""

from typing import Any, Final

from typing_extensions import TypedDict

BRIEF: Final = "brief"
REVIEW: Final = "review"
PROMOTE: Final = "promote"
FALLBACK: Final = "fallback"
PARK: Final = "park"
DEGRADE: Final = "degrade"
STEP_NODES: Final = (BRIEF, REVIEW, PROMOTE, FALLBACK, PARK, DEGRADE)
"""The step graph's own nodes; no worker may have one of these names."""


class StepState(TypedDict, total=False):
    """All that a step remembers; nothing of any other step (I4).

    Attributes:
        assignment: What dispatch handed in: step id, thread, superstep, inputs, context, what
            they rest on, and for a step that waited, where it goes on and the answer.
        attempt: Attempts so far, from 1; never reset.
        worker: Whose turn it is.
        worker_attempts: Attempts by this worker.
        chain: Fallbacks used up.
        approved: Whether a person let the worker start.
        feedback: What the next attempt is told.
        supersteps: The dispatch supersteps, on this branch, in which the step has had attempts; the
            last one's last.
        standing: What earlier attempts changed outside and still stands, in words.
        orphans: What a person decided about effects that stand in vain: `stand` or `gap`, why, and
            the keys that were shown.
        conflicts: Attempts that were refused only because somebody else had changed the shared
            context meanwhile; they do not count against the worker's number.
        wait_until: No attempt before this instant, ISO 8601.
        brief: This attempt's brief without inputs and context: deadline, hash, times.
        output: Envelope of what came back: `value`, or `error` with its class and words.
        verdict: The dumped verdict on it.
        reviewed_at: When review had reached it, ISO 8601.
        settlement: How the step is to be settled, when not by acceptance.
        question: What to ask, when parking.
        usage: The dumped cost so far.
        judged: What of it judges have used for this attempt, and the superstep and the attempt.
        begun_at: When all that it needs had first settled, ISO 8601; for its wall-time budget.
        route: Where the step goes next; a node's name.
        outcome: The dumped outcome, at the end.
    """

    assignment: dict[str, Any]
    attempt: int
    worker: str
    worker_attempts: int
    chain: int
    approved: bool
    feedback: list[str]
    supersteps: list[str]
    standing: list[str]
    orphans: dict[str, Any]
    conflicts: int
    wait_until: str | None
    brief: dict[str, Any] | None
    output: dict[str, Any] | None
    verdict: dict[str, Any] | None
    reviewed_at: str | None
    settlement: dict[str, Any] | None
    question: dict[str, Any] | None
    usage: dict[str, Any]
    judged: dict[str, Any]
    begun_at: str
    route: str
    outcome: dict[str, Any] | None


def derive_trigger(node: str) -> str:
    """Return LangGraph's name for the channel that starts a node."""
    return f"branch:to:{node}"
