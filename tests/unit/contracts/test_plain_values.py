"""Plain values: what passes, what is refused and where, and the one encoding of each."""

import enum
import hashlib
import json
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import interlock as il
from interlock.contracts.plain import (
    MAX_DEPTH,
    decode_plain,
    derive_hash,
    encode_plain,
    find_path,
    parse_plain,
)
from tests.unit.contracts.plain_values import list_containers, list_types, plain_values


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    __slots__ = ()


class Price(BaseModel):
    cents: int = Field(alias="priceInCents")
    at: date


@dataclass
class Point:
    x: int
    note: Price | None = None


@given(plain_values)
def test_a_plain_value_comes_back_from_its_encoding_unchanged(value: Any) -> None:
    """Every storage returns the value and the types that it was given."""
    back = decode_plain(encode_plain(value))
    assert back == value
    assert list_types(back) == list_types(value)


@given(plain_values)
def test_parsing_keeps_a_plain_value_and_shares_nothing_with_it(value: Any) -> None:
    """A worker that keeps its output and changes it later changes nothing that was handed over."""
    parsed = parse_plain(value)
    assert parsed == value
    assert list_types(parsed) == list_types(value)
    assert not {id(part) for part in list_containers(parsed)} & {
        id(part) for part in list_containers(value)
    }


@given(
    st.dictionaries(st.text("abc\u00e9\u4e00\U0001f600", max_size=4), plain_values), st.randoms()
)
def test_the_encoding_does_not_depend_on_the_order_of_keys(
    value: dict[str, Any], random: Any
) -> None:
    """Equal values have equal bytes and equal hashes, whoever built them."""
    keys = list(value)
    random.shuffle(keys)
    shuffled = {key: value[key] for key in keys}
    assert encode_plain(shuffled) == encode_plain(value)
    assert derive_hash(shuffled) == derive_hash(value)


def test_the_encoding_is_sorted_utf8_without_spaces() -> None:
    """The bytes are fixed for ever: hashes of stored payloads rest on them."""
    data = '{"a":[1,2.5,true,null],"b":"é"}'.encode()
    assert encode_plain({"b": "é", "a": [1, 2.5, True, None]}) == data
    assert derive_hash({"b": "é", "a": [1, 2.5, True, None]}) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        (OrderedDict(b=1), {"b": 1}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1, seconds=30), "PT1M30S"),
        (Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Word("hi"), "hi"),
        (Price(priceInCents=5, at=date(2026, 1, 2)), {"priceInCents": 5, "at": "2026-01-02"}),
        (Point(1), {"x": 1, "note": None}),
        (
            {"points": [Point(2, Price(priceInCents=1, at=date(2026, 1, 2)))]},
            {"points": [{"x": 2, "note": {"priceInCents": 1, "at": "2026-01-02"}}]},
        ),
    ],
)
def test_richer_types_become_their_json_form(value: Any, expected: Any) -> None:
    """Models, dataclasses, times, decimals, ids and enums are welcome at every level."""
    parsed = parse_plain(value)
    assert parsed == expected
    assert list_types(parsed) == list_types(expected)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (lambda: 1, "lambda"),
        (object(), "object"),
        (Point, "Point"),
        ({1, 2}, "{1, 2}"),
        (b"raw", "b'raw'"),
        (2**63, "an integer of 64 bits"),
        (-(2**63) - 1, "an integer of 64 bits"),
        (2**70, "an integer of 71 bits"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ("ab\ud800", "a lone surrogate at 2"),
        (Word("\udfff"), "a lone surrogate at 0"),
        ({1: "x"}, "the key 1"),
        ({"\ud800": 1}, "a lone surrogate"),
    ],
)
def test_what_no_checkpoint_can_hold_is_refused_with_its_place(value: Any, seen: str) -> None:
    """The error names the path, what lies there, and what is allowed."""
    with pytest.raises(il.PlainValueError) as caught:
        parse_plain({"items": [0, {"price": value}]})
    assert caught.value.path == "output.items[1].price"
    assert seen in caught.value.seen
    assert str(caught.value).startswith("output.items[1].price is ")
    assert "None, bool, int of 64 bits, finite float" in str(caught.value)


def test_the_largest_and_the_deepest_pass() -> None:
    """The bounds themselves are allowed: 64-bit integers, and a hundred levels."""
    assert parse_plain([2**63 - 1, -(2**63)]) == [2**63 - 1, -(2**63)]
    deep: Any = "end"
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert parse_plain(deep) == deep
    with pytest.raises(il.PlainValueError, match="nesting deeper"):
        parse_plain([deep])


def test_a_value_that_holds_itself_is_refused() -> None:
    """A cycle ends in an error, not in a hang."""
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(il.PlainValueError, match="nesting deeper"):
        parse_plain(ring)


@given(plain_values)
def test_every_part_is_found_at_its_path(value: Any) -> None:
    """A path of keys and indexes leads to the same part that JSON has there."""

    def walk(part: Any, path: tuple[str, ...]) -> None:
        assert find_path(value, path) is part
        if isinstance(part, dict):
            for key, item in part.items():
                walk(item, (*path, key))
        elif isinstance(part, list):
            for index, item in enumerate(part):
                walk(item, (*path, str(index)))

    walk(value, ())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (["b"], "no 'b' in an object with a, z"),
        (["a", "2"], "no '2' in a list of 2"),
        (["a", "-1"], "no '-1' in a list of 2"),
        (["z", "x"], "no 'x' in the value 'end'"),
        (["a", "0", "y"], "no 'y' in an object with no keys"),
    ],
)
def test_a_path_that_leads_nowhere_names_the_missing_part(path: list[str], words: str) -> None:
    """The message says what is there instead."""
    with pytest.raises(LookupError) as caught:
        find_path({"z": "end", "a": [{}, 1]}, path)
    assert caught.value.args == (words,)


@given(plain_values)
def test_the_encoding_is_json_that_anybody_can_read(value: Any) -> None:
    """Payloads in the database are plain JSON text."""
    assert json.loads(encode_plain(value).decode("utf-8")) == value
