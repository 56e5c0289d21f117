"""Functions in criteria: all that are allowed work, and no others are allowed."""

import pytest

from interlock.criteria.cel_expressions import evaluate_condition, find_expression_problem
from interlock.criteria.cel_functions import FUNCTIONS, count_characters

NOON = "timestamp('2026-01-02T12:03:04.005Z')"

HOLDING = {
    "bool": "bool('true')",
    "bytes": "bytes('a') == b'a'",
    "charAt": "'abc'.charAt(1) == 'b'",
    "contains": "'abc'.contains('b')",
    "distinct": "[1, 1, 2].distinct() == [1, 2]",
    "double": "double(1) + 0.5 == 1.5",
    "duration": "duration('90s') > duration('1m')",
    "dyn": "dyn(1) == 1",
    "endsWith": "'ab'.endsWith('b')",
    "first": "[1, 2].first().value() == 1",
    "getDate": f"{NOON}.getDate() == 2",
    "getDayOfMonth": f"{NOON}.getDayOfMonth() == 1",
    "getDayOfWeek": f"{NOON}.getDayOfWeek() == 5",
    "getDayOfYear": f"{NOON}.getDayOfYear() == 1",
    "getFullYear": f"{NOON}.getFullYear() == 2026",
    "getHours": f"{NOON}.getHours() == 12",
    "getMilliseconds": f"{NOON}.getMilliseconds() == 5",
    "getMinutes": f"{NOON}.getMinutes() == 3",
    "getMonth": f"{NOON}.getMonth() == 0",
    "getSeconds": f"{NOON}.getSeconds() == 4",
    "has": "has(output.a)",
    "hasValue": "!optional.none().hasValue()",
    "indexOf": "'abc'.indexOf('c') == 2",
    "int": "int('1') == 1",
    "join": "['a', 'b'].join('-') == 'a-b'",
    "last": "[1, 2].last().value() == 2",
    "lastIndexOf": "'abab'.lastIndexOf('a') == 2",
    "lowerAscii": "'AB'.lowerAscii() == 'ab'",
    "matches": "'a1'.matches('^[a-z][0-9]$')",
    "math.abs": "math.abs(-2) == 2",
    "math.ceil": "math.ceil(1.2) == 2.0",
    "math.floor": "math.floor(1.8) == 1.0",
    "math.greatest": "math.greatest(1, 3, 2) == 3",
    "math.least": "math.least(2, 1) == 1",
    "math.round": "math.round(1.6) == 2.0",
    "math.sign": "math.sign(-5) == -1",
    "math.trunc": "math.trunc(-1.8) == -1.0",
    "max": "[1, 3].max() == 3",
    "min": "[2, 1].min() == 1",
    "of": "optional.of(1).value() == 1",
    "ofNonZeroValue": "!optional.ofNonZeroValue(0).hasValue()",
    "or": "optional.none().or(optional.of(1)).value() == 1",
    "orValue": "optional.none().orValue(1) == 1",
    "replace": "'aba'.replace('a', 'c') == 'cbc'",
    "reverse": "'abc'.reverse() == 'cba'",
    "sets.contains": "sets.contains([1, 2], [2])",
    "sets.equivalent": "sets.equivalent([1, 2], [2, 1, 1])",
    "sets.intersects": "sets.intersects([1, 2], [2, 3])",
    "size": "size('abc') == 3 && [1].size() == 1 && size({'a': 1}) == 1",
    "slice": "[1, 2, 3].slice(1, 3) == [2, 3]",
    "sort": "[3, 1, 2].sort() == [1, 2, 3]",
    "split": "'a,b'.split(',') == ['a', 'b']",
    "startsWith": "'ab'.startsWith('a')",
    "string": "string(1) == '1'",
    "substring": "'abc'.substring(1) == 'bc'",
    "sum": "[1, 2].sum() == 3",
    "trim": "' a '.trim() == 'a'",
    "type": "type(1) == int",
    "uint": "uint(1) == 1u",
    "upperAscii": "'ab'.upperAscii() == 'AB'",
}


@pytest.mark.parametrize("expression", HOLDING.values(), ids=HOLDING)
def test_an_allowed_function_does_what_its_name_says(expression: str) -> None:
    """What validation lets through can be evaluated, and gives what CEL's libraries define."""
    assert find_expression_problem(expression, names=("output",)) is None
    assert evaluate_condition(expression, {"output": {"a": 1}})


def test_every_extension_is_among_them() -> None:
    """No function is offered that is not tried here."""
    assert set(FUNCTIONS) - {"length"} <= set(HOLDING)


@pytest.mark.parametrize(
    "expression",
    [
        "lists.range(1000000000).size() > 0",
        "math.bitShiftLeft(1, 60) > 0",
        "base64.encode(b'a') == ''",
        "len(output) == 1",
        "output.optMap(x, x) == output",
    ],
)
def test_a_function_that_is_not_offered_is_a_problem(expression: str) -> None:
    """What the engine lacks, or what could take the process down, is told before a run."""
    assert find_expression_problem(expression, names=("output",)) is not None


@pytest.mark.parametrize(
    ("text", "characters"), [("", 0), ("abc", 3), ("äöü", 3), ("日本語", 3), ("\U0001f600", 1)]
)
def test_size_counts_characters_as_the_specification_says(text: str, characters: int) -> None:
    """A reply in German or Japanese is as long as it reads, not as its UTF-8 bytes."""
    values = {"output": {"text": text}}
    assert evaluate_condition(f"size(output.text) == {characters}", values)
    assert evaluate_condition(f"output.text.size() == {characters}", values)


@pytest.mark.parametrize(
    ("expression", "executed"),
    [
        ("size(output)", "length(output)"),
        ("output.size () + size\n(a)", "output.length () + length\n(a)"),
        ("output.size > 1 && resize(1) > 0", "output.size > 1 && resize(1) > 0"),
        ("output == 'size(x)' && size(y) > 0", "output == 'size(x)' && length(y) > 0"),
        (r"output == 'it\'s size(x)'", r"output == 'it\'s size(x)'"),
        ('output == """size(a)"b""" || size(c) > 0', 'output == """size(a)"b""" || length(c) > 0'),
        ("size(a) > 0 // size(b)", "length(a) > 0 // size(b)"),
    ],
)
def test_only_calls_of_size_are_touched(expression: str, executed: str) -> None:
    """Texts, fields, comments and other names keep their letters."""
    assert count_characters(expression) == executed
