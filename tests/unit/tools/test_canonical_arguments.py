"""Arguments in their one form (RFC 8785), and the names made of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.tools.canonical_arguments import (
    derive_arguments_hash,
    derive_call_name,
    encode_canonical,
)

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_the_example_of_the_rfc_has_its_form() -> None:
    """RFC 8785, section 3.2.3: the sample object is written as the RFC shows it."""
    sample = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f",
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert encode_canonical(sample) == expected.encode()


def test_keys_are_sorted_by_utf16_units() -> None:
    """RFC 8785, section 3.2.3: the order of its second sample."""
    sample = {
        "\u20ac": 1,
        "\r": 2,
        "\ufb33": 3,
        "1": 4,
        "\U0001f600": 5,
        "\u0080": 6,
        "\u00f6": 7,
    }
    order = [2, 4, 6, 7, 1, 5, 3]
    assert list(json.loads(encode_canonical(sample)).values()) == order


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 0.0}, {"a": -0.0}),
        ({"a": 2**60, "b": 2**61}, {"b": 2**61, "a": 2**60}),
    ],
)
def test_what_json_takes_for_equal_has_one_form(one: Any, other: Any) -> None:
    """The order of keys and the way a number is written make no difference."""
    assert derive_arguments_hash(one) == derive_arguments_hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {}),
        ({"a": []}, {"a": {}}),
        ({"a": 2**53 + 1}, {"a": 2**53 + 2}),
        ({"a": 2**53 + 1}, {"a": str(2**53 + 1)}),
        ({"a": {"b": 2**60}}, {"a/b": str(2**60)}),
        ({"a": [2**60, "x"]}, {"a": [str(2**60), "x"]}),
        ({"é": 1}, {"e\u0301": 1}),
    ],
)
def test_what_differs_has_another_form(one: Any, other: Any) -> None:
    """Types, big integers that a double cannot tell apart, and letters all count."""
    assert derive_arguments_hash(one) != derive_arguments_hash(other)


@given(PLAIN, PLAIN)
def test_forms_are_equal_only_for_values_that_json_takes_for_equal(one: Any, other: Any) -> None:
    """No two values that a JSON reader tells apart share a form."""

    def read(value: Any) -> Any:
        """Return the value with numbers as exact text, as a reader of I-JSON sees them."""
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return ("number", value) if abs(value) >= 2**53 else ("number", float(value))
        if isinstance(value, float):
            return ("number", value + 0.0)
        if isinstance(value, list):
            return [read(item) for item in value]
        if isinstance(value, dict):
            return {key: read(item) for key, item in value.items()}
        return value

    if encode_canonical(one) == encode_canonical(other):
        assert read(one) == read(other)


def test_a_name_holds_all_that_tells_calls_apart() -> None:
    """Thread, epoch, step, worker, tool and arguments each make another name."""
    given: dict[str, Any] = {
        "thread_id": "t",
        "epoch": 0,
        "step_id": "s",
        "worker": "",
        "tool": "x",
        "arguments": {"a": 1},
    }
    changes: list[dict[str, Any]] = [
        {},
        {"thread_id": "u"},
        {"epoch": 1},
        {"step_id": "s/x"},
        {"worker": "w"},
        {"tool": "y"},
        {"arguments": {"a": 2}},
        {"step_id": "", "worker": "s"},
    ]
    names = [
        derive_call_name(**{**given, **change})
        for change in changes  # type: ignore[arg-type]
    ]
    assert len(set(names)) == len(changes)
    assert names[0] == derive_call_name(**given)
