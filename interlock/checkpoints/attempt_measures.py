"""What an attempt's time went into, measured from the rows of its calls as its output is written (I12).

Computed in the transaction that writes the output, from what any recount can read: calls of models
that earlier lives of the process made count as well.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from interlock.checkpoints.connection import Connection
from interlock.contracts.attempt_parts import ToolCall
from interlock.contracts.handoff import Handoff
from interlock.contracts.prices import dump_money

Interval = tuple[datetime, datetime]

_NO_TIME: Final = timedelta()


def needs_measuring(handoffs: Iterable[Handoff]) -> bool:
    """Return whether the calls of models are to be read that an output's attempt has made."""
    return any(
        one.kind == "output" and (one.model_time is None or _waited_for_verdict(one))
        for one in handoffs
    )


def measure_quiet(handoffs: Iterable[Handoff], tool_calls: Sequence[ToolCall]) -> list[Handoff]:
    """Return the handoffs, outputs with the times of their tools; no model was called for them."""
    return [
        handoff.model_copy(update={"tool_time": _add_up(_list_tools(handoff, tool_calls))})
        if handoff.kind == "output"
        else handoff
        for handoff in handoffs
    ]


def measure_outputs(
    connection: Connection, handoffs: Iterable[Handoff], tool_calls: Sequence[ToolCall]
) -> list[Handoff]:
    """Return the handoffs, outputs with the times and the money of their attempts.

    Args:
        connection: To read the calls from.
        handoffs: Of one batch. An output that says its `model_time` is known to have had no calls.
        tool_calls: Of the same batch.
    """
    return [
        _measure(connection, _measure_queue(connection, one), tool_calls)
        if needs_measuring((one,))
        else measure_quiet((one,), tool_calls)[0]
        for one in handoffs
    ]


def _waited_for_verdict(handoff: Handoff) -> bool:
    """Return whether an attempt has waited since the verdict on the one before it."""
    return handoff.turn_at is not None and handoff.attempt > 1


def _measure_queue(connection: Connection, handoff: Handoff) -> Handoff:
    """Return an output with the time that its attempt waited since the last recorded verdict.

    A review that a crash made again is in no row: what counts is the verdict that is written down.
    """
    if handoff.turn_at is None or not _waited_for_verdict(handoff):
        return handoff
    which = (handoff.thread_id, handoff.step_id, handoff.superstep, handoff.attempt)
    (last,) = connection.run("find_last_verdict", which).fetchone()
    if last is None:
        return handoff
    waited = handoff.turn_at - datetime.fromisoformat(last)
    return handoff.model_copy(update={"queue_time": waited})


def _list_tools(handoff: Handoff, tool_calls: Sequence[ToolCall]) -> list[Interval]:
    """Return when the tools of an output's attempt were called."""
    return join_intervals(
        _clip(call.started_at, call.ended_at, handoff.ended_at)
        for call in tool_calls
        if call.handoff_id == handoff.id
    )


def _measure(connection: Connection, handoff: Handoff, tool_calls: Sequence[ToolCall]) -> Handoff:
    returned = handoff.ended_at
    reviewed = handoff.reviewed_at or returned
    if handoff.model_time is not None:
        return measure_quiet((handoff,), tool_calls)[0]
    tools = _list_tools(handoff, tool_calls)
    models: list[Interval] = []
    judges: list[Interval] = []
    money = 0
    which = (handoff.thread_id, handoff.step_id, handoff.superstep, handoff.attempt)
    for role, started_at, ended_at, paid in connection.run("load_attempt_calls", which):
        is_judge = role == "judge"
        ended = None if ended_at is None else datetime.fromisoformat(ended_at)
        end = reviewed if is_judge else returned
        (judges if is_judge else models).append(
            _clip(datetime.fromisoformat(started_at), ended, end)
        )
        money += paid
    models = join_intervals(models)
    both = join_intervals((*models, *tools))
    return handoff.model_copy(
        update={
            "model_time": _add_up(models),
            "tool_time": _add_up(both) - _add_up(models),
            "judge_time": _add_up(join_intervals(judges)),
            "money": dump_money(money),
        }
    )


def join_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Return what intervals cover together, as intervals that do not touch, in order."""
    joined: list[Interval] = []
    for begin, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def _clip(started: datetime, ended: datetime | None, limit: datetime) -> Interval:
    """Return a call's interval; one that went on, or whose end nobody knows, ends at the limit."""
    return started, limit if ended is None else min(ended, limit)


def _add_up(intervals: Iterable[Interval]) -> timedelta:
    return sum((end - begin for begin, end in intervals), _NO_TIME)
