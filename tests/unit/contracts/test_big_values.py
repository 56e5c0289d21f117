"""What counts as big: told without encoding, the same for equal values, shortened for people."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.contracts.big_values import BIG_BYTES, is_big, is_shortened, shorten_value
from interlock.contracts.plain import derive_hash, encode_plain, freeze
from tests.unit.contracts.plain_values import plain_values

FILLERS = st.sampled_from(
    [
        "",
        "x" * 9000,
        "é" * 9000,
        "x" * 20_000,
        [0] * 7000,
        [0] * 9000,
        ["ab"] * 3000,
        {"": [[]] * 5000},
    ]
)


@given(value=plain_values, filler=FILLERS)
def test_no_value_counts_as_big_that_is_encoded_in_few_bytes(value: Any, filler: Any) -> None:
    """The count never goes above the encoding, and frozen values count like their originals."""
    whole = {"value": value, "filler": filler}
    if is_big(whole):
        assert len(encode_plain(whole)) > BIG_BYTES
    assert is_big(freeze(whole)) == is_big(whole)
    assert is_big([whole, "x" * BIG_BYTES])


@pytest.mark.parametrize(
    "value",
    [
        "x" * (BIG_BYTES + 1),
        ["x" * 100] * 200,
        {"x" * BIG_BYTES: 1},
        list(range(BIG_BYTES + 1)),
        {"a": {"b": [{"c": "x" * BIG_BYTES}]}},
        [[[]]] * BIG_BYTES,
    ],
    ids=["text", "texts", "key", "numbers", "deep", "lists"],
)
def test_a_value_is_big_wherever_its_size_lies(value: Any) -> None:
    """In one text, in many, in keys, in numbers, deep inside."""
    assert is_big(value)


@pytest.mark.parametrize("value", ["x" * 100_000, "\U0001f600" * 50_000, {"a": ["b" * 100_000]}])
def test_a_big_value_is_shown_by_its_beginning_its_size_and_its_hash(value: Any) -> None:
    """A person sees enough to tell what it is, and which; nothing is cut within a character."""
    data = encode_plain(value)
    shown = shorten_value(value, sha256=derive_hash(value))
    assert data.decode().startswith(shown["shortened"].removesuffix("…"))
    assert 900 < len(shown["shortened"]) < 1100
    assert (shown["bytes"], shown["sha256"]) == (len(data), derive_hash(value))
    assert is_shortened(shown, sha256=derive_hash(value))
    for other in ({**shown, "more": 1}, {"sha256": derive_hash(value)}, derive_hash(value), None):
        assert not is_shortened(other, sha256=derive_hash(value))
    assert not is_shortened(shown, sha256=derive_hash("another"))
