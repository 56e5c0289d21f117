"""How a report names and links what it tells of: steps, on its own thread and on others."""

from interlock.contracts.ids import ThreadId
from interlock.telemetry.metrics.fault_trails import StepPlace


def derive_anchor(path: str) -> str:
    """Return a name that no other step's is and that stands in an address as it is."""
    return "step-" + "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in "-_") else f".{ord(sign):x}."
        for sign in path
    )


def describe_place(place: StepPlace, *, thread_id: ThreadId) -> tuple[str, str | None]:
    """Return a step's name and its anchor; None if the page is about another thread than its own."""
    if place.thread_id == thread_id:
        return place.step_id, derive_anchor(place.step_id)
    return f"{place.step_id} (thread {place.thread_id})", None
