"""How far faults went: breadth first from each faulty value over who was given what.

Pure. The distances are those of Dijkstra's algorithm with handoffs of length one (Moore, "The
shortest path through a maze", 1959), so each step is reached over as few handoffs as there are.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from interlock.contracts.blame import FoundFault, StepRef, ThreadLineage
from interlock.contracts.fault import Fault
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.prices import dump_money
from interlock.telemetry.metrics.fault_trails import (
    AffectedStep,
    FaultTrail,
    Passage,
    PassedGate,
    StepPlace,
)
from interlock.telemetry.metrics.lineage_graph import LineageGraph

_LOST: Final = frozenset({"degraded", "skipped", "failed", "blocked", "cancelled"})


def derive_trails(
    found: Sequence[FoundFault], lineages: Iterable[ThreadLineage]
) -> tuple[Sequence[FaultTrail], frozenset[ThreadId]]:
    """Return one trail a faulty value, the first found first, and the threads still to be read.

    Args:
        found: Faults, the first found first. Several may be about one value.
        lineages: Of the threads of their steps, and of those that the faults are known to have reached.

    Returns:
        The trails, and the threads that they lead to and that are not among the lineages: as long as
        there are any, the trails end there.
    """
    graph = LineageGraph(lineages)
    by_value: dict[StepRef, list[FoundFault]] = {}
    for one in found:
        by_value.setdefault(_name_origin(one.fault), []).append(one)
    spreads = {origin: _Spread(graph, origin) for origin in by_value}
    rests_on = _list_rests(spreads.values())
    trails = [
        _build_trail(graph, spreads[origin], faults=faults, rests_on=rests_on[origin])
        for origin, faults in by_value.items()
    ]
    refs = set(by_value).union(*(spread.reached for spread in spreads.values()))
    return trails, frozenset(ref.thread_id for ref in refs if not graph.knows(ref.thread_id))


def _name_origin(fault: Fault) -> StepRef:
    return StepRef(fault.blame.thread_id, fault.superstep, fault.blame.step_id)


def _list_rests(spreads: Iterable["_Spread"]) -> Mapping[StepRef, set[StepRef]]:
    """Return, of each faulty value, the other ones that it was made from."""
    known = {spread.origin: spread for spread in spreads}
    rests: dict[StepRef, set[StepRef]] = {origin: set() for origin in known}
    for origin, spread in known.items():
        for ref in spread.carriers.keys() & known.keys() - {origin}:
            rests[ref].add(origin)
    return rests


@dataclass(frozen=True, slots=True)
class _Reached:
    distance: int
    via: StepRef
    by: Passage


@dataclass(slots=True)
class _Spread:
    """What one faulty value has reached.

    Attributes:
        graph: Who was given what.
        origin: The step that made the value.
        reached: Every step, with how; the origin is not among them.
        carriers: The steps whose values rest on it, the origin too, with their distance.
    """

    graph: LineageGraph
    origin: StepRef
    reached: dict[StepRef, _Reached] = field(default_factory=dict)
    carriers: dict[StepRef, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.carriers[self.origin] = 0
        self._spread_values()
        self._spread_losses()

    def _spread_values(self) -> None:
        todo = [(0, self.origin)]
        while todo:
            distance, carrier = heapq.heappop(todo)
            for reading in self.graph.list_readings(carrier):
                reader = reading.reader
                if reader == self.origin:
                    continue
                self._reach(reader, _Reached(distance + 1, carrier, reading.by))
                is_new = reading.is_last and reader not in self.carriers
                if is_new and self.graph.hands_on(reader):
                    self.carriers[reader] = distance + 1
                    heapq.heappush(todo, (distance + 1, reader))

    def _spread_losses(self) -> None:
        """Add the steps that never began since what they need was lost."""
        todo = [(one.distance, ref) for ref, one in self.reached.items() if self._is_lost(ref)]
        heapq.heapify(todo)
        while todo:
            distance, lost = heapq.heappop(todo)
            for waiter in self.graph.list_waiters(lost):
                row = self.graph.find_step(waiter)
                if waiter in self.reached or row is None or row.status != "blocked":
                    continue
                self._reach(waiter, _Reached(distance + 1, lost, "loss"))
                heapq.heappush(todo, (distance + 1, waiter))

    def _reach(self, ref: StepRef, reached: _Reached) -> None:
        self.reached.setdefault(ref, reached)

    def _is_lost(self, ref: StepRef) -> bool:
        row = self.graph.find_step(ref)
        return row is not None and row.status in _LOST


def _build_trail(
    graph: LineageGraph,
    spread: _Spread,
    *,
    faults: Sequence[FoundFault],
    rests_on: Iterable[StepRef],
) -> FaultTrail:
    origin, first = graph.find_step(spread.origin), faults[0].fault
    settled_at = origin.settled_at if origin is not None else None
    affected = tuple(sorted(_list_affected(graph, spread), key=_rank))
    found_at = first.blame.found_at
    maker = graph.find_maker(spread.origin)
    return FaultTrail(
        origin=_place(spread.origin),
        attempt=first.attempt if maker is not None else 0,
        worker=maker,
        settled_at=settled_at,
        faults=tuple(one.fault for one in faults),
        gates=tuple(
            PassedGate(kind=gate.kind, criterion=gate.words, result=gate.result)
            for gate in (faults[0].gates if maker is not None else ())
        ),
        affected=affected,
        rests_on=tuple(_place(ref) for ref in sorted(rests_on)),
        path=tuple(_place(ref) for ref in _find_path(graph, spread, first)),
        found_after=None if settled_at is None else found_at - settled_at,
        settled_before=sum(
            step.settled_at is not None and step.settled_at <= found_at for step in affected
        ),
    )


def _rank(step: AffectedStep) -> tuple[int, str, str, str]:
    return (step.distance, step.place.thread_id, step.place.step_id, step.place.superstep)


def _list_affected(graph: LineageGraph, spread: _Spread) -> Iterator[AffectedStep]:
    for ref, reached in spread.reached.items():
        row = graph.find_step(ref)
        yield AffectedStep(
            place=_place(ref),
            status=graph.find_status(ref),
            distance=reached.distance,
            via=_place(reached.via),
            by=reached.by,
            carries=ref in spread.carriers,
            settled_at=row.settled_at if row is not None and row.status != "waiting" else None,
            attempts=row.attempts if row is not None else 0,
            tokens=row.tokens if row is not None else 0,
            money=dump_money(row.money if row is not None else 0),
        )


def _find_path(graph: LineageGraph, spread: _Spread, fault: Fault) -> Sequence[StepRef]:
    """Return the steps from the origin to the one that found the fault; none if it was not reached."""
    blame = fault.blame
    if not blame.found_superstep:
        return ()
    finder = StepRef(blame.found_thread, blame.found_superstep, StepId(blame.found_by))
    ref = graph.find_settling(finder)
    return _trace(spread.reached, spread.origin, ref) if ref in spread.reached else ()


def _trace(
    reached: Mapping[StepRef, _Reached], origin: StepRef, last: StepRef
) -> Sequence[StepRef]:
    path = [last]
    while path[-1] != origin:
        path.append(reached[path[-1]].via)
    return path[::-1]


def _place(ref: StepRef) -> StepPlace:
    return StepPlace(thread_id=ref.thread_id, superstep=ref.superstep, step_id=ref.step_id)
