"""Faults in random task graphs: what a trail says is what the graph and the values say."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from interlock.contracts.blame import (
    FoundFault,
    ReviewedOutput,
    SettledStep,
    StepWait,
    ThreadLineage,
)
from interlock.contracts.fault import Blame, Fault
from interlock.contracts.ids import StepId, ThreadId
from interlock.telemetry.metrics.propagation import derive_trails
from tests.invariants.example_settings import draw_examples
from tests.metrics.known_graphs import KnownGraph, SumTeam, name_step
from tests.metrics.recount_stage import build_stage

NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
FATES: Final = ("accepted", "accepted", "accepted", "failed", "declared", "edited", "blocked")


@dataclass(frozen=True)
class Life:
    """A random step.

    Attributes:
        fate: How it ended, and by whom.
        needs: What it waits for, and whether it reads of it.
    """

    fate: str
    needs: Mapping[int, bool]


@st.composite
def runs(draw: st.DrawFn) -> list[Life]:
    """Return a random run; the first step is the origin, and was accepted."""
    lives = [Life("accepted", {})]
    for name in range(1, draw(st.integers(2, 12))):
        needs = draw(st.dictionaries(st.integers(0, name - 1), st.booleans(), max_size=3))
        lives.append(Life(draw(st.sampled_from(FATES)), needs))
    return lives


def expect(lives: list[Life]) -> dict[int, tuple[int, bool]]:
    """Return the reached steps with their distance, and whether they carry on, by going round and round."""
    carried: dict[int, int] = {0: 0}
    read: dict[int, int] = {}
    lost: dict[int, int] = {}
    for _ in lives:
        for name, life in enumerate(lives[1:], 1):
            given = [
                carried[need] + 1
                for need, is_read in life.needs.items()
                if is_read and need in carried
            ]
            if given and life.fate != "blocked":
                read[name] = min(given)
                if life.fate == "accepted":
                    carried[name] = min(given)
    for _ in lives:
        for name, life in enumerate(lives):
            ended = {**read, **lost}
            bad = [
                ended[need] + 1
                for need in life.needs
                if need in ended and lives[need].fate in {"failed", "declared", "blocked"}
            ]
            if bad and life.fate == "blocked":
                lost[name] = min(bad)
    return {name: (far, name in carried) for name, far in {**read, **lost}.items()}


def build_rows(lives: list[Life]) -> ThreadLineage:
    """Return a run as its rows tell it."""
    status = {"declared": "degraded", "edited": "accepted"}
    rows, outputs, waits = [], [], []
    for name, life in enumerate(lives):
        is_blocked, step_id = life.fate == "blocked", StepId(f"s{name}")
        rows.append(
            SettledStep(
                seq=name,
                superstep="s",
                step_id=step_id,
                status=status.get(life.fate, life.fate),
                worker="w",
                attempts=0 if is_blocked else 1,
                fallback="use_value" if life.fate == "declared" else None,
                begun_at=NOON,
                settled_at=NOON,
                settle_us=0,
                tokens=0,
                money=0,
            )
        )
        outputs.append(
            ReviewedOutput(
                superstep="s",
                step_id=step_id,
                attempt=1,
                sender="person" if life.fate == "edited" else "w",
                turn_at=NOON,
                started_at=NOON,
                queue_us=0,
                brief_us=0,
                work_us=0,
                model_us=0,
                tool_us=0,
                review_us=0,
            )
        )
        waits += [
            StepWait(superstep="s", step_id=step_id, need=StepId(f"s{need}"), is_read=is_read)
            for need, is_read in life.needs.items()
        ]
    return ThreadLineage(thread_id=ThreadId("t"), outcomes=rows, waits=waits, outputs=outputs)


def blame_origin() -> FoundFault:
    """Return a fault of the first step."""
    blame = Blame(
        id="f",
        thread_id=ThreadId("t"),
        step_id=StepId("s0"),
        how="reported",
        found_by="exam",
        found_thread=ThreadId("t"),
        found_at=NOON + timedelta(days=1),
    )
    return FoundFault(fault=Fault(blame=blame, superstep="s", attempt=1))


@draw_examples(200)
@given(lives=runs())
def test_a_trail_is_what_going_round_and_round_finds(lives: list[Life]) -> None:
    """Reached steps, distances, who carries on: in any graph, with any endings."""
    (trail,), missing = derive_trails([blame_origin()], [build_rows(lives)])
    found = {int(s.place.step_id[1:]): (s.distance, s.carries) for s in trail.affected}
    expected = expect(lives)
    assert found == expected
    assert not missing
    assert trail.cascade_size == len(expected)
    by_name = {step.place: step for step in trail.affected}
    for step in trail.affected:
        above = by_name[step.via].distance if step.via in by_name else 0
        assert step.distance == above + 1
        assert (step.by == "loss") == (step.status == "blocked")


def test_branches_that_work_at_once_read_what_is_theirs() -> None:
    """Where two branches have settled a step each, a step was given the one of its own superstep."""
    rows = build_rows([Life("accepted", {}), Life("accepted", {0: True})])
    places = [(0, "left", "s0"), (1, "right", "s0"), (2, "left", "s1"), (3, "right", "s1")]
    outcomes = [
        replace(rows.outcomes[int(name[1])], seq=seq, superstep=superstep)
        for seq, superstep, name in places
    ]
    waits = [replace(rows.waits[0], superstep=superstep) for superstep in ("left", "right")]
    found = blame_origin()
    left = replace(found, fault=found.fault.model_copy(update={"superstep": "left"}))
    lineage = replace(rows, outcomes=outcomes, waits=waits)
    (trail,), _ = derive_trails([left], [lineage])
    assert [(one.place.superstep, one.place.step_id) for one in trail.affected] == [("left", "s1")]


@st.composite
def graphs(draw: st.DrawFn) -> KnownGraph:
    """Return a small random task graph."""
    deps = {
        name: tuple(sorted(draw(st.sets(st.integers(0, name - 1), max_size=3)))) if name else ()
        for name in range(draw(st.integers(2, 7)))
    }
    return KnownGraph(deps=deps)


async def compare(graph: KnownGraph, origin: int) -> None:
    """Run it right and wrong; the trail of the fault must be what turned out otherwise."""
    stage = build_stage("memory://")
    await stage.storage.connect()
    try:
        team = SumTeam(graph=graph, stage=stage, origin=origin)
        spoilt = await team.find_spoilt("t")
        async with team.open() as desk:
            await desk.areport_fault("t", name_step(origin), why="off by one")
            (trail,) = await desk.ablame("t")
    finally:
        await stage.storage.aclose()
    found = {step.place.step_id: step.distance for step in trail.affected}
    assert found.keys() == spoilt
    assert found == {name_step(task): far for task, far in graph.walk(origin).items()}


@draw_examples(16)
@given(graph=graphs(), data=st.data())
def test_what_a_fault_reached_is_what_it_changed(graph: KnownGraph, data: Any) -> None:
    """Runs of random graphs: the steps on the trail are those whose values a wrong one has changed."""
    origin = data.draw(st.sampled_from(sorted(graph.deps)))
    asyncio.run(compare(graph, origin))
