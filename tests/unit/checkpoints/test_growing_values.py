"""What is stored of a value that grows: its tail, or all of it."""

from typing import Any

import pytest

from interlock.checkpoints.growing_values import (
    MIN_BYTES,
    Encoded,
    GrowingValues,
    parse_part,
    put_together,
)
from interlock.checkpoints.revivable import build_serializer

KEY = ("t", "", "v")
SERDE = build_serializer()
LONG = "x" * MIN_BYTES


class Channel:
    """One channel's versions, as they would be stored."""

    def __init__(self) -> None:
        """Begin without a version."""
        self.growing = GrowingValues()
        self.chain: dict[str, Any] = {}

    def put(self, value: Any) -> Encoded:
        """Store the next version; it must read back as it was put."""
        version = f"{len(self.chain) + 1:08d}.s"
        encoded = self.growing.encode(SERDE, KEY, version=version, value=value)
        self.chain[version] = parse_part(encoded.format, encoded.data)
        whole = put_together(self.chain, version)
        assert whole == SERDE.dumps_typed(value)[1] == encoded.encode_whole()[1]
        return encoded


def is_tail(encoded: Encoded) -> bool:
    """Return whether only a part of the value is stored."""
    return encoded.tail is not None


@pytest.mark.parametrize("count", [1, 14, 15, 16, 17, 65534, 65535, 65536])
@pytest.mark.parametrize("make", [list, dict.fromkeys], ids=["list", "dict"])
def test_an_item_more_is_a_tail_however_many_there_are(make: Any, count: int) -> None:
    """The heads of msgpack change their form at 16 and at 65,536 items; what is read does not."""
    items = [f"{number} {LONG}" if number < 3 else number for number in range(count + 2)]
    channel = Channel()
    assert not is_tail(channel.put(make(items[:count])))
    assert is_tail(channel.put(make(items[: count + 1])))
    assert is_tail(channel.put(make(items)))
    assert is_tail(channel.put(make(items)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([LONG, LONG], [LONG, LONG + "!"]),
        ([LONG, LONG], [LONG]),
        ([LONG, 1], [LONG, True]),
        ([LONG, 1, 1], [LONG, 1.0, 1, 1]),
        ([LONG, 0.0], [LONG, -0.0, 1]),
        ({LONG: LONG, 1: 2}, [LONG, LONG, 1, 2, 3]),
        ({"a": LONG, "b": LONG}, {"b": LONG, "a": LONG, "c": 1}),
        ([LONG], (LONG, LONG)),
        ([LONG, LONG], None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_does_not_begin_with_the_earlier_value_is_stored_whole(
    before: Any, after: Any
) -> None:
    """Another item, fewer, another kind of equal number, another order, another type."""
    channel = Channel()
    channel.put(before)
    encoded = channel.growing.encode(SERDE, KEY, version="2", value=after)
    assert not is_tail(encoded)
    assert SERDE.loads_typed((encoded.format, encoded.data)) in (after, [LONG, LONG])


@pytest.mark.parametrize("change", ["in place", "another"])
def test_a_change_of_what_is_there_is_seen(change: str) -> None:
    """An item that was changed in place, or after texts only, is not taken for what it was."""
    channel = Channel()
    texts = [f"{number} {LONG}" for number in range(4)]
    channel.put(texts[:3])
    channel.put(texts)
    item = {"said": LONG}
    assert is_tail(channel.put([*texts, item]))
    assert is_tail(channel.put([*texts, item, "more"]))
    if change == "in place":
        item["said"] = "else"
    else:
        texts[1] = f"1 {LONG} "
    assert not is_tail(channel.put([*texts, item, "more", "and more"]))


def test_texts_in_a_list_that_a_reducer_changes_are_not_taken_for_what_they_were() -> None:
    """A reducer may give the same list again, with another text in it."""
    channel = Channel()
    texts = [f"{number} {LONG}" for number in range(4)]
    channel.put(texts)
    texts[2] = f"2 {LONG}!"
    assert not is_tail(channel.put(texts))
    texts.append("more")
    assert is_tail(channel.put(texts))


def test_an_older_version_that_is_read_does_not_replace_what_is_known() -> None:
    """Looking at the history leaves the newest list one that can be added to."""
    channel = Channel()
    channel.put([LONG, LONG])
    channel.put([LONG, LONG, 1])
    _, data = SERDE.dumps_typed([LONG])
    channel.growing.note_loaded(KEY, version="00000001.s", root="00000001.s", data=data)
    encoded = channel.put([LONG, LONG, 1, 2])
    assert encoded.tail is not None
    assert encoded.tail.base == "00000002.s"


def test_a_version_that_sorts_before_what_is_known_is_stored_whole() -> None:
    """A chain is read as a range of versions; a fork whose numbers are lower begins its own."""
    growing = GrowingValues()
    growing.encode(SERDE, KEY, version="00000009.a", value=[LONG, LONG])
    fork = growing.encode(SERDE, KEY, version="00000005.b", value=[LONG, LONG, 1])
    assert not is_tail(fork)


BIG = ["x" * 40_000, "y" * 40_000]
SMALL = [LONG, LONG]


@pytest.mark.parametrize(
    ("bound", "most", "value"), [("_MOST_SMALL", 2, SMALL), ("_MOST_BIG_BYTES", 170_000, BIG)]
)
def test_what_was_not_used_for_long_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int, value: list[str]
) -> None:
    """Memory is bounded; what is forgotten is stored whole once and grows again."""
    monkeypatch.setattr(f"interlock.checkpoints.growing_values.{bound}", most)
    growing = GrowingValues()
    keys = [(f"t{number}", "", "v") for number in range(3)]
    for key in keys:
        growing.encode(SERDE, key, version="1", value=value)
    grown = {
        key: is_tail(growing.encode(SERDE, key, version="2", value=[*value, 1]))
        for key in reversed(keys)
    }
    assert grown == {keys[2]: True, keys[1]: True, keys[0]: False}


def test_many_small_values_do_not_drive_out_a_big_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's own channel is still known after the steps of ten thousand step graphs."""
    monkeypatch.setattr("interlock.checkpoints.growing_values._MOST_SMALL", 4)
    growing = GrowingValues()
    growing.encode(SERDE, KEY, version="1", value=BIG)
    for number in range(20):
        growing.encode(SERDE, (f"t{number}", "", "v"), version="1", value=SMALL)
    assert is_tail(growing.encode(SERDE, KEY, version="2", value=[*BIG, 1]))
