"""Which checkpoints stay, told by namespaces, parents and outcomes alone."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from interlock.checkpoints.kept_checkpoints import Wanted, choose_kept

DISPATCH = "dispatch:d1"
STEP = f"{DISPATCH}|step:read:s1"
WORKER = f"{STEP}|reader:w1"
EPOCH = datetime(1582, 10, 15, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_id(minutes: int) -> str:
    """Return the id of a checkpoint made that many minutes after noon (RFC 9562, version 6)."""
    ticks = int((NOON + timedelta(minutes=minutes) - EPOCH) / timedelta(microseconds=1)) * 10
    high, low = ticks >> 12, ticks & 0xFFF
    return str(UUID(int=(high << 80) | (6 << 76) | (low << 64) | (0x8 << 60) | 1))


def choose(
    checkpoints: Mapping[str, Sequence[int]],
    parents: Mapping[str, Mapping[str, int]],
    *,
    settled: Sequence[tuple[int, str]] = (),
    newest: int = 1,
    before: int = 10_000,
    delta: Sequence[str] = (),
) -> dict[str, list[int]]:
    """Return the minutes of what is kept; checkpoints are named by theirs, newest first."""
    minutes = {make_id(n): n for ids in checkpoints.values() for n in ids}
    metadata: dict[str, Any] = {
        ns: {
            "parents": {above: make_id(n) for above, n in parents.get(ns, {}).items()},
            "counters_since_delta_snapshot": {"x": 1} if ns in delta else {},
        }
        for ns in checkpoints
    }
    kept = choose_kept(
        {ns: [make_id(n) for n in ids] for ns, ids in checkpoints.items()},
        lambda ns, _: metadata[ns],
        settled={(make_id(n), path) for n, path in settled},
        wanted=Wanted(newest=newest, before=NOON + timedelta(minutes=before)),
    )
    return {ns: sorted((minutes[one] for one in ids), reverse=True) for ns, ids in kept.items()}


def test_the_newest_of_what_is_under_way_stays() -> None:
    """The root's newest, and the newest of every graph that was begun from what stays."""
    kept = choose(
        {"": [3, 2, 1], STEP: [5, 4], WORKER: [7, 6]},
        {STEP: {"": 3}, WORKER: {"": 3, STEP: 5}},
    )
    assert kept == {"": [3], STEP: [5], WORKER: [7]}


def test_graphs_of_past_supersteps_go() -> None:
    """What was begun from a checkpoint that goes is never entered again, at any depth."""
    kept = choose(
        {"": [9, 3, 1], STEP: [5, 4], WORKER: [7, 6]},
        {STEP: {"": 3}, WORKER: {"": 3, STEP: 5}},
    )
    assert kept == {"": [9], STEP: [], WORKER: []}


def test_a_worker_of_a_past_attempt_goes() -> None:
    """The step has gone on since the worker's graph was begun: nothing leads back there."""
    kept = choose(
        {"": [3], STEP: [8, 5], WORKER: [7, 6]}, {STEP: {"": 3}, WORKER: {"": 3, STEP: 5}}
    )
    assert kept == {"": [3], STEP: [8], WORKER: []}


def test_graphs_of_a_settled_step_go() -> None:
    """A step that has its outcome in the superstep under way is not run again."""
    checkpoints = {"": [3], STEP: [5, 4], "dispatch:d1|step:write:s2": [6]}
    parents = {STEP: {"": 3}, "dispatch:d1|step:write:s2": {"": 3}}
    kept = choose(checkpoints, parents, settled=[(3, "read"), (2, "write")])
    assert kept == {"": [3], STEP: [], "dispatch:d1|step:write:s2": [6]}


def test_a_settled_step_of_a_nested_team_is_told_by_its_path() -> None:
    """An inner step's outcome counts for the inner superstep, and for its path alone."""
    team = "dispatch:d1|step:outer:s1|team:t1"
    deep, other = f"{team}|dispatch:d2|step:deep:s2", f"{team}|dispatch:d2|step:other:s3"
    above = {"": 3, "dispatch:d1|step:outer:s1": 4, team: 5}
    checkpoints = {"": [3], "dispatch:d1|step:outer:s1": [4], team: [5], deep: [6], other: [7]}
    parents = {
        "dispatch:d1|step:outer:s1": {"": 3},
        team: {"": 3, "dispatch:d1|step:outer:s1": 4},
        deep: above,
        other: above,
    }
    kept = choose(checkpoints, parents, settled=[(5, "outer/deep"), (3, "deep"), (5, "other")])
    assert kept[deep] == []
    assert kept[other] == [7]


def test_what_is_young_stays_whatever_it_is() -> None:
    """No checkpoint goes that is not older than the age."""
    kept = choose({"": [9, 3, 1], STEP: [5, 4]}, {STEP: {"": 3}}, before=4)
    assert kept == {"": [9], STEP: [5, 4]}


def test_more_can_be_kept() -> None:
    """With more than one, graphs that were begun from any of those stay too."""
    kept = choose({"": [9, 3, 1], STEP: [6, 5, 4]}, {STEP: {"": 3}}, newest=2)
    assert kept == {"": [9, 3], STEP: [6, 5]}


@pytest.mark.parametrize(
    "ns", ["memory", "dispatch|step|memory", "dispatch:d1|step:s:x|memory|y:1"]
)
def test_a_graph_that_keeps_its_state_stays(ns: str) -> None:
    """A graph of LangGraph's with a memory of its own is not begun from any one checkpoint."""
    assert choose({"": [9], ns: [3, 2]}, {ns: {"": 1}}) == {"": [9], ns: [3]}


def test_a_number_in_a_namespace_is_no_graph_with_a_memory() -> None:
    """LangGraph counts the graphs that one task runs."""
    assert choose({"": [9], f"{STEP}|1": [3, 2]}, {f"{STEP}|1": {"": 1}})[f"{STEP}|1"] == []


def test_delta_channels_keep_their_ancestors() -> None:
    """Where a channel is rebuilt from earlier checkpoints, all of them stay."""
    kept = choose({"": [9, 8], STEP: [5, 4]}, {STEP: {"": 1}}, delta=[STEP])
    assert kept == {"": [9], STEP: [5, 4]}


def test_a_graph_that_is_ahead_of_its_superstep_stays() -> None:
    """With async durability a graph may be stored before the checkpoint it was begun from."""
    kept = choose({"": [3, 2], STEP: [5]}, {STEP: {"": 4}})
    assert kept == {"": [3], STEP: [5]}


def test_an_id_that_tells_no_time_is_taken_for_young() -> None:
    """Checkpoints whose age nobody knows stay."""
    ids = ["z", "6f1b5c3e-0000-4000-8000-000000000000"]
    wanted = Wanted(newest=1, before=NOON)
    assert choose_kept({"": ids}, lambda *_: {}, settled=(), wanted=wanted) == {"": set(ids)}
