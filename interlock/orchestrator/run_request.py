"""What a run is started with, checked before anything is written down."""

from collections.abc import Mapping
from datetime import datetime

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import ThreadId
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.run_record import RunRecord


def build_record(
    goal: str,
    thread_id: str,
    *,
    context: Mapping[str, object] | None,
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
    )
