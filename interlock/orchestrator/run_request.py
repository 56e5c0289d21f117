"""What a run is started with, checked before anything is written down."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from interlock.contracts.context_records import ContextVersion
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import ThreadId
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.promotion import Promotion
from interlock.contracts.run_record import RunRecord
from interlock.contracts.shared_context import (
    SharedContext,
    name_own_space,
    name_shared_space,
)
from interlock.nodes.run.declared_facts import (
    refuse_reserved_id,
    refuse_unknown_spaces,
    require_declared,
    require_spaces,
)
from interlock.nodes.run.team import Team
from interlock.nodes.steps.promotion_rules import Offer

SEED_VERSION: Final = 1
"""The version of a thread's own space that holds what its run was started with."""


def build_record(
    goal: str,
    thread_id: str,
    *,
    context: Mapping[str, object] | None,
    spaces: Mapping[str, str] | None = None,
    stepwise: bool,
    now: datetime,
) -> RunRecord:
    """Return the record of a run that is to start.

    Raises:
        ConfigurationError: The goal, the thread id or the context cannot be one.
        PlainValueError: Something in them cannot be stored.
    """
    if not isinstance(goal, str) or not goal.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"The goal is {goal!r}. Give the run a goal in words.")
    if not isinstance(thread_id, str) or not thread_id:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"The thread id is {thread_id!r}. Give the run a thread id of its own, such as a "
            "ticket number."
        )
    refuse_reserved_id(thread_id)
    if context is not None and not isinstance(context, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"The context is {context!r}. Give the run a mapping of names to values."
        )
    plain: Plain = parse_plain(dict(context or {}), name="context")
    return RunRecord(
        thread_id=ThreadId(parse_plain(thread_id, name="thread id")),
        goal=parse_plain(goal, name="goal"),
        context=plain,
        accepted_at=now,
        updated_at=now,
        stepwise=stepwise,
        spaces=_parse_spaces(spaces),
    )


def build_seeds(record: RunRecord, *, team: Team) -> Promotion | None:
    """Return the facts that a run starts with, to be promoted as it is accepted; None without any.

    Raises:
        ConfigurationError: The context or the spaces do not fit what the team declares.
    """
    shared = team.spec.context
    require_declared(shared, record.context)
    require_spaces(shared, record.spaces)
    refuse_unknown_spaces(team.spec.list_roles(), record.spaces)
    if not record.context:
        return None
    spaces = {key: find_space(key, record, shared=shared) for key in record.context}
    own = name_own_space(record.thread_id)
    looked_at = [fact.name for fact in shared.facts] if shared.invariants else []
    others = {
        key: space for key in looked_at if (space := find_space(key, record, shared=shared)) != own
    }
    offer = Offer(
        shared=shared, criteria=team.criteria, thread_id=record.thread_id, values=record.context
    )
    return Promotion(
        made=ContextVersion(
            kind="seed", thread_id=record.thread_id, at=record.accepted_at, base={}
        ),
        spaces={**others, **spaces},
        base=dict.fromkeys(record.context, 0),
        decide=offer.decide,
    )


def find_space(key: str, record: RunRecord, *, shared: SharedContext) -> str:
    """Return the space that a fact of a run lives in; the run names all that there are."""
    fact = shared.find_fact(key)
    if fact is None or fact.space is None:
        return name_own_space(record.thread_id)
    return name_shared_space(fact.space, record.spaces[fact.space])


def select_own(record: RunRecord, *, shared: SharedContext) -> dict[str, Plain]:
    """Return the facts of a run's start that live in its own space."""
    own = name_own_space(record.thread_id)
    return {
        key: value
        for key, value in record.context.items()
        if find_space(key, record, shared=shared) == own
    }


def _parse_spaces(spaces: Mapping[str, str] | None) -> dict[str, str]:
    if spaces is None:
        return {}
    if not isinstance(spaces, Mapping) or not all(  # pyright: ignore[reportUnnecessaryIsInstance]
        isinstance(part, str) and part  # pyright: ignore[reportUnnecessaryIsInstance]
        for pair in spaces.items()
        for part in pair
    ):
        raise ConfigurationError(
            f"The spaces are {spaces!r}. Give the run a mapping of the names that facts declare to ids, "
            "such as {'customer': 'c-42'}."
        )
    parsed: dict[str, str] = parse_plain(dict(spaces), name="spaces")
    return parsed
