"""What a step has cost that is cut off before it settles by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import Usage
from interlock.contracts.storage import Storage


@dataclass(frozen=True, slots=True)
class Spent:
    """What a step has cost so far.

    Attributes:
        attempts: Briefs handed over.
        usage: Of the attempts that were reviewed.
    """

    attempts: int = 0
    usage: Usage = field(default_factory=Usage)


async def count_spent(
    storage: Storage, thread_id: ThreadId, *, superstep: str
) -> Mapping[StepId, Spent]:
    """Count in the journal what each step has cost in one dispatch superstep, by its path."""
    found: dict[StepId, Spent] = {}
    for handoff in await storage.load_handoffs(thread_id):
        if handoff.step_id is None or handoff.superstep != superstep:
            continue
        spent = found.get(handoff.step_id, Spent())
        if handoff.kind == "brief":
            attempts = max(spent.attempts, handoff.attempt)
            found[handoff.step_id] = Spent(attempts, spent.usage)
        elif handoff.kind == "output" and handoff.sender != "person":
            cost = Usage(
                attempts=1,
                input_tokens=handoff.input_tokens,
                output_tokens=handoff.output_tokens,
            )
            found[handoff.step_id] = Spent(spent.attempts, spent.usage + cost)
    return found
