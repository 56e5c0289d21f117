"""The checker of histories accepts what a serial database does, and finds each kind of anomaly."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.acceptance.list_histories import Anomaly, Operation, find_anomalies

LISTS = ("a", "b", "c")
Finals = dict[str, list[str]]
History = list[Operation]


def draw_history(seed: int, *, size: int = 12) -> tuple[History, Finals]:
    """Return what a serial database might do: reads, writes, refusals, and unknown ends."""
    draw = random.Random(seed)
    final: Finals = {key: [] for key in LISTS}
    history: History = []
    for number in range(size):
        name = f"o{number}"
        read = frozenset(draw.sample(LISTS, draw.randint(1, 3)))
        writes = frozenset(draw.sample(sorted(read), draw.randint(1, len(read))))
        outcome = draw.choice(["ok", "ok", "ok", "fail", "unknown"])
        seen = {key: tuple(final[key]) for key in read}
        if outcome == "ok" or (outcome == "unknown" and draw.random() < 0.5):
            for key in writes:
                final[key].append(name)
        history.append(
            Operation(
                name=name,
                writes=writes,
                outcome=outcome,
                seen=seen if outcome == "ok" else None,
                glimpsed=() if outcome == "ok" else (seen,),
                invoked=number - draw.random(),
                ended=number + draw.random() if outcome != "unknown" else None,
            )
        )
    return history, final


@given(st.integers(0, 10_000))
def test_a_serial_history_is_accepted(seed: int) -> None:
    """Whatever a database does one operation after another is right, unknown ends included."""
    assert find_anomalies(*draw_history(seed)) == []


def operate(
    name: str, *, seen: dict[str, tuple[str, ...]], writes: str, **more: object
) -> Operation:
    """Return an operation that was acknowledged."""
    fields = {"outcome": "ok", **more}
    return Operation(name=name, writes=frozenset(writes), seen=seen, **fields)


FIRST = operate("x", seen={"a": ()}, writes="a", invoked=0.0, ended=1.0)
SECOND = operate("y", seen={"a": ("x",)}, writes="a", invoked=2.0, ended=3.0)


@pytest.mark.parametrize(
    ("kind", "history", "final"),
    [
        ("lost", [FIRST, SECOND], {"a": ["x"]}),
        ("lost", [FIRST, operate("y", seen={"a": ()}, writes="a")], {"a": ["y"]}),
        ("lost", [FIRST, operate("y", seen={"a": ()}, writes="a")], {"a": ["x", "y"]}),
        ("lost", [operate("x", seen={}, writes="ab", outcome="unknown")], {"a": ["x"], "b": []}),
        ("doubled", [FIRST, SECOND], {"a": ["x", "y", "x"]}),
        ("phantom", [FIRST, replace(SECOND, outcome="fail")], {"a": ["x", "y"]}),
        ("phantom", [FIRST], {"a": ["x", "z"]}),
        ("phantom", [FIRST], {"a": ["x"], "b": ["x"]}),
        ("dirty", [FIRST, replace(SECOND, seen={"a": ("x", "gone")})], {"a": ["x", "y"]}),
        (
            "dirty",
            [FIRST, replace(SECOND, glimpsed=({"a": ("gone",)},))],
            {"a": ["x", "y"]},
        ),
        ("reordered", [FIRST, SECOND], {"a": ["y", "x"]}),
        (
            "reordered",
            [FIRST, SECOND, operate("z", seen={"b": (), "a": ("y", "x")}, writes="b")],
            {"a": ["x", "y"], "b": ["z"]},
        ),
        (
            "stale",
            [FIRST, operate("z", seen={"a": (), "b": ()}, writes="b", invoked=2.0)],
            {"a": ["x"], "b": ["z"]},
        ),
        (
            "cycle",  # write skew: each read what the other wrote, before it was there
            [
                operate("x", seen={"a": (), "b": ()}, writes="a"),
                operate("y", seen={"a": (), "b": ()}, writes="b"),
            ],
            {"a": ["x"], "b": ["y"]},
        ),
        (
            "cycle",  # a read that is torn: one list with the other's append, one without
            [
                operate("x", seen={"a": (), "b": ()}, writes="ab"),
                operate("z", seen={"a": ("x",), "b": (), "c": ()}, writes="c"),
            ],
            {"a": ["x"], "b": ["x"], "c": ["z"]},
        ),
    ],
)
def test_each_anomaly_is_found(kind: str, history: History, final: Finals) -> None:
    """One small history a kind, written by hand."""
    assert Anomaly(kind, "") in find_anomalies(history, final)


Mutation = Callable[[History, Finals, random.Random], bool]


def lose(history: History, final: Finals, draw: random.Random) -> bool:
    """An acknowledged append disappears."""
    done = [(key, one.name) for one in history if one.outcome == "ok" for key in one.writes]
    if not done:
        return False
    key, name = draw.choice(sorted(done))
    final[key].remove(name)
    return True


def double(history: History, final: Finals, draw: random.Random) -> bool:
    """An append happens twice."""
    key = draw.choice(LISTS)
    if not final[key]:
        return False
    final[key].insert(draw.randint(0, len(final[key])), draw.choice(final[key]))
    return True


def swap(history: History, final: Finals, draw: random.Random) -> bool:
    """Two acknowledged neighbours change places."""
    key = draw.choice(LISTS)
    known = {one.name for one in history if one.outcome == "ok"}
    places = [n for n in range(len(final[key]) - 1) if set(final[key][n : n + 2]) <= known]
    if not places:
        return False
    n = draw.choice(places)
    final[key][n : n + 2] = reversed(final[key][n : n + 2])
    return True


def revive(history: History, final: Finals, draw: random.Random) -> bool:
    """A refused append is there all the same."""
    refused = [one for one in history if one.outcome == "fail"]
    if not refused:
        return False
    one = draw.choice(refused)
    for key in one.writes:
        final[key].append(one.name)
    return True


def show_refused(history: History, final: Finals, draw: random.Random) -> bool:
    """Somebody reads an append that is refused afterwards."""
    refused = [one.name for one in history if one.outcome == "fail"]
    readers = [n for n, one in enumerate(history) if one.seen]
    if not refused or not readers:
        return False
    n = draw.choice(readers)
    seen = dict(history[n].seen or {})
    key = draw.choice(sorted(seen))
    history[n] = replace(history[n], seen={**seen, key: (*seen[key], draw.choice(refused))})
    return True


def forget(history: History, final: Finals, draw: random.Random) -> bool:
    """Somebody reads a list as it was before its last append, and writes on that."""
    readers = [
        (n, key)
        for n, one in enumerate(history)
        for key, value in sorted((one.seen or {}).items())
        if value and key in one.writes
    ]
    if not readers:
        return False
    n, key = draw.choice(readers)
    seen = dict(history[n].seen or {})
    history[n] = replace(history[n], seen={**seen, key: seen[key][:-1]})
    return True


@pytest.mark.parametrize("mutate", [lose, double, swap, revive, show_refused, forget])
def test_no_mutation_of_a_good_history_passes(mutate: Mutation) -> None:
    """A good history that is spoiled at one place, drawn at random, is refused every time."""
    spoiled = 0
    for seed in range(300):
        history, final = draw_history(seed)
        if mutate(history, final, random.Random(seed)):
            spoiled += 1
            assert find_anomalies(history, final), (mutate, seed)
    assert spoiled > 100
