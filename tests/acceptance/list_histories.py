"""Checks what many processes did to shared lists, from nothing but what they saw.

Every operation appends its own name, once, to each list that it writes. So a list that somebody
read tells which operations came before, and in which order: lost, doubled and reordered updates,
dirty and stale reads, and any mix of reads and writes that no serial order explains can be told
from values alone (Kingsbury & Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
Observations", VLDB 2020; the kinds of cycle are those of Adya, Liskov & O'Neil, "Generalized
Isolation Level Definitions", ICDE 2000). Knows nothing of what it checks.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Literal, TypeAlias

Lists: TypeAlias = Mapping[str, Sequence[str]]
"""What a list holds, by the list's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, as whoever made it saw it.

    Attributes:
        name: What it appends; unlike any other's.
        writes: The lists that it appends to.
        outcome: `unknown` if its process died and nobody learnt what came of it.
        seen: The lists that it read for what it wrote; None if it is not known.
        glimpsed: What it read besides, in attempts that came to nothing.
        invoked: When it was asked for, on a clock that all processes share.
        ended: When its outcome was known; None if it never was.
    """

    name: str
    writes: frozenset[str]
    outcome: Literal["ok", "fail", "unknown"]
    seen: Lists | None = None
    glimpsed: tuple[Lists, ...] = ()
    invoked: float = 0.0
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that no correct database does.

    Attributes:
        kind: `lost`, `doubled`, `phantom`, `dirty`, `reordered`, `stale` or `cycle`.
        words: What was seen.
    """

    kind: str
    words: str = field(compare=False)


def find_anomalies(history: Sequence[Operation], final: Lists) -> list[Anomaly]:
    """Return all that is wrong with a history.

    Args:
        history: Every operation that was ever invoked.
        final: What the lists hold once all is over.
    """
    return [
        *_find_wrong_appends(history, final),
        *_find_wrong_reads(history, final),
        *_find_overwrites(history, final),
        *_find_out_of_time(history, final),
        *_find_cycles(history, final),
    ]


def _find_wrong_appends(history: Sequence[Operation], final: Lists) -> Iterator[Anomaly]:
    """What was acknowledged is there once; what was refused, and what nobody asked for, is not."""
    known = {operation.name: operation for operation in history}
    for key, held in final.items():
        for name, times in Counter(held).items():
            operation = known.get(name)
            if times > 1:
                yield Anomaly("doubled", f"{name} is {times} times in {key}")
            if operation is None or operation.outcome == "fail" or key not in operation.writes:
                yield Anomaly("phantom", f"{key} holds {name}, of {operation}")
    for operation in history:
        missing = [key for key in operation.writes if operation.name not in final.get(key, ())]
        is_whole = not missing or len(missing) == len(operation.writes)
        if missing and (operation.outcome == "ok" or not is_whole):
            yield Anomaly("lost", f"{operation.name} is not in {missing}")


def _find_wrong_reads(history: Sequence[Operation], final: Lists) -> Iterator[Anomaly]:
    """Whatever anybody saw, in vain or not, is a beginning of what the list came to hold."""
    for operation in history:
        for lists in (operation.seen, *operation.glimpsed):
            for key, value in (lists or {}).items():
                held = final.get(key, ())
                if list(value) == list(held[: len(value)]):
                    continue
                kind = "reordered" if set(value) <= set(held) else "dirty"
                yield Anomaly(kind, f"{operation.name} saw {value} in {key}, which holds {held}")


def _find_overwrites(history: Sequence[Operation], final: Lists) -> Iterator[Anomaly]:
    """An operation comes right behind what it saw of the lists that it writes."""
    for operation in history:
        for key in operation.writes & (operation.seen or {}).keys():
            held, seen = final.get(key, ()), (operation.seen or {})[key]
            if operation.name in held and list(held).index(operation.name) != len(seen):
                yield Anomaly("lost", f"{operation.name} came behind others than {seen} in {key}")


def _find_out_of_time(history: Sequence[Operation], final: Lists) -> Iterator[Anomaly]:
    """What had ended before another began comes before it, and is seen by it."""
    places = {key: {name: n for n, name in enumerate(held)} for key, held in final.items()}
    for key, place in places.items():
        ended = sorted(
            (one.ended, place[one.name], one.name)
            for one in history
            if one.outcome == "ok" and one.ended is not None and one.name in place
        )
        for operation in history:
            before = max((n for end, n, _ in ended if end < operation.invoked), default=-1)
            if place.get(operation.name, before + 1) <= before:
                yield Anomaly("reordered", f"{operation.name} stands too early in {key}")
            seen = (operation.seen or {}).get(key)
            if seen is not None and len(seen) <= before:
                yield Anomaly(
                    "stale", f"{operation.name} did not see {_hold_at(final, key, before)}"
                )


def _hold_at(final: Lists, key: str, place: int) -> str:
    """Return what stands in a list at a place."""
    return f"{final[key][place]} in {key}"


def _find_cycles(history: Sequence[Operation], final: Lists) -> Iterator[Anomaly]:
    """Some serial order explains all that was read and written."""
    before: dict[str, set[str]] = {operation.name: set() for operation in history}
    for earlier, later in _list_dependencies(history, final):
        if earlier in before and later in before and earlier != later:
            before[later].add(earlier)
    try:
        TopologicalSorter(before).prepare()
    except CycleError as exc:
        yield Anomaly("cycle", " -> ".join(exc.args[1]))


def _list_dependencies(history: Sequence[Operation], final: Lists) -> Iterator[tuple[str, str]]:
    """Yield pairs of which the first must come before the second."""
    for held in final.values():
        yield from pairwise(held)  # both wrote
    for operation in history:
        happened = operation.outcome == "ok" or any(operation.name in h for h in final.values())
        if not happened:
            continue
        for key, seen in (operation.seen or {}).items():
            held = final.get(key, ())
            if seen:
                yield seen[-1], operation.name  # it read what that one wrote
            if len(seen) < len(held):
                yield operation.name, held[len(seen)]  # it did not yet see that one
