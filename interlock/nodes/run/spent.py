"""What a step has cost that is cut off before it settles by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import Usage
from interlock.contracts.plain import Plain
from interlock.contracts.prices import dump_money
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


def dump_usage(usage: Usage) -> dict[str, Plain]:
    """Return what models reported, as an attempt's envelope holds it."""
    dumped: dict[str, Plain] = usage.model_dump(mode="json", exclude={"attempts"})
    return dumped


def parse_usage(held: Mapping[str, Plain]) -> Usage:
    """Return what an envelope, or a part of it, holds of what models reported."""
    names = Usage.model_fields.keys() - {"attempts"}
    return Usage.model_validate({name: held[name] for name in names if name in held})


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
    for call in (await storage.load_spending(thread_id)).calls:
        path, role = call.caller.path, call.caller.role
        if path in found and call.caller.superstep == superstep and role != "planner":
            paid = Usage(model_calls=call.model_calls, money=dump_money(call.money))
            found[path] = Spent(found[path].attempts, found[path].usage + paid)
    return found
