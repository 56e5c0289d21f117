"""CEL criteria: what they mean on JSON values, and that undecidable counts as failed."""

from typing import Any

import pytest

from interlock.contracts.criteria import Finding
from interlock.contracts.plain import encode_plain, freeze, parse_plain
from interlock.criteria.cel_expressions import (
    CelError,
    evaluate_condition,
    find_expression_problem,
    review_expression,
    shorten_evidence,
)

NAMES = ("output", "inputs", "context")


def review(expression: str, output: Any = None, message: str | None = None) -> Finding:
    """Return the finding of an expression on an output, inputs and context as a brief has them."""
    values = {
        "output": output,
        "inputs": freeze({"status": "paid", "limit": 3}),
        "context": freeze({"region": "EU"}),
    }
    return review_expression(expression, values, message=message)


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("size(output.text) < 5", {"text": "four"}),
        ("size(output) == 2 && output.all(x, x > 0)", [1, 2]),
        ("output.items.exists(i, i.price >= inputs.limit)", {"items": [{"price": 3}]}),
        ("output.map(x, x * 2) == [2, 4]", [1, 2]),
        ("output.filter(x, x.ok)[0].name == 'b'", [{"ok": False}, {"ok": True, "name": "b"}]),
        ("output.text.contains(inputs.status)", {"text": "it is paid"}),
        ("output.matches('^a+$')", "aaa"),
        ("output in ['a', 'b']", "b"),
        ("'key' in output", {"key": None}),
        ("has(output.a) && output.a == null", {"a": None}),
        ("!has(output.b)", {"a": 1}),
        ("output == {'a': [1, 2.5, null, true]}", {"a": [1, 2.5, None, True]}),
        ("output == 1.0 && output < 1.5 && output <= 1", 1),
        ("output == 1 && output < 2", 1.0),
        ("double(output) * 1.5 > 2.0", 2),
        ("timestamp(output) < timestamp('2030-01-01T00:00:00Z')", "2026-01-01T00:00:00Z"),
        ("context.region == 'EU'", None),
        ("true || output.missing", {}),
        ("output.missing || true", {}),
        ("size(output) == 1", "\U0001f600"),
        ("output == 9223372036854775807", 2**63 - 1),
    ],
)
def test_an_expression_that_holds_passes(expression: str, output: Any) -> None:
    """CEL as its specification has it, on the values that JSON has; no evidence is kept."""
    assert find_expression_problem(expression, names=NAMES) is None
    assert review(expression, output) == Finding(passed=True)


@pytest.mark.parametrize(
    ("expression", "output", "evidence"),
    [
        ("size(output.text) < 5", {"text": "longer"}, {"output.text": "longer"}),
        ("output.a > inputs.limit", {"a": 3}, {"output.a": 3, "inputs.limit": 3}),
        ("output.text.contains('x')", {"text": "abc"}, {"output.text": "abc"}),
        ("output.items.all(i, i > 1)", {"items": [1]}, {"output.items": [1]}),
        ("output == 'b'", "a", {"output": "a"}),
        ("output != null", None, {"output": None}),
        ("output == true", False, {"output": False}),
    ],
)
def test_an_expression_that_does_not_hold_shows_what_it_looked_at(
    expression: str, output: Any, evidence: Any
) -> None:
    """The evidence holds the values at the paths that the expression names."""
    finding = review(expression, output)
    assert not finding.passed
    assert finding.evidence == evidence
    assert "could not be decided" not in finding.message


@pytest.mark.parametrize(
    ("expression", "output", "reason"),
    [
        ("output.text == 'a'", {}, "there is no 'text'"),
        ("output.a.b == 1", {"a": {}}, "there is no 'b'"),
        ("output.a < 3", {"a": "x"}, "No such overload"),
        ("output.a < 3", {"a": None}, "No such overload"),
        ("output + 1.5 > 2.0", 1, "Convert explicitly with int(x)"),
        ("output[5] == 1", [1], "index out of bounds: 5"),
        ("output / 0 == 1", 1, "division by zero"),
        ("output + 1 > 0", 2**63 - 1, "verflow"),
        ("output.matches('[')", "a", "not a valid regex"),
        ("int(output) > 3", "abc", "invalid digit"),
        ("output.a", {"a": None}, "it gave None, not true or false"),
        ("output.a", {"a": 1}, "it gave 1, not true or false"),
        ("output", "true", "it gave 'true', not true or false"),
        ("output.", 1, "Syntax error"),
        ("", 1, "Syntax error"),
    ],
)
def test_what_cannot_be_decided_has_failed_and_says_why(
    expression: str, output: Any, reason: str
) -> None:
    """A missing key, a wrong type, a null or a broken expression never pass, and never raise."""
    finding = review(expression, output)
    assert not finding.passed
    assert finding.message.startswith("could not be decided: ")
    assert reason in finding.message
    with pytest.raises(CelError):
        evaluate_condition(expression, {"output": output})


def test_the_authors_message_comes_first() -> None:
    """The worker reads what the plan's author wrote, and the reason if there is another one."""
    assert review("output > 3", 1, "Give more").message == "Give more"
    undecided = review("output.a > 3", {}, "Give more").message
    assert undecided == "Give more (could not be decided: there is no 'a')"


def test_missing_parts_are_evidence_too() -> None:
    """What is not there is said where the value would stand."""
    finding = review("output.a.b > 1", {"a": {"c": 1}})
    assert finding.evidence == {"output.a.b": "<no 'b' in an object with c>"}


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("outputs.text == 'a'", "'outputs'"),
        ("output.all(x, x < limit)", "'limit'"),
        ("output.all(x, output.exists(y, y == x && z))", "'z'"),
        ("brief.attempt > 1 && step == 'a'", "'brief', 'step'"),
        ("output.filter(item, itme.ok).size() > 0", "'itme'"),
        ("len(output) > 1", "'len'"),
        ("output.reverseWords() == 'a'", "'reverseWords'"),
    ],
)
def test_unknown_names_are_told_before_anything_runs(expression: str, unknown: str) -> None:
    """A misspelt variable or function is found by looking, inside comprehensions too."""
    problem = find_expression_problem(expression, names=NAMES)
    assert problem is not None
    assert unknown in problem
    assert repr(expression) in problem


@pytest.mark.parametrize("expression", ["output.", "(((", "output = 1", "", "output ? 1", "'a"])
def test_what_does_not_compile_is_told_before_anything_runs(expression: str) -> None:
    """The problem quotes the expression and what the parser saw."""
    problem = find_expression_problem(expression, names=NAMES)
    assert problem is not None
    assert problem.startswith(f"does not compile: {expression!r}")


def test_a_deeply_nested_expression_is_refused_not_crashed_on() -> None:
    """A model may write anything; the parser's stack is bounded."""
    deep = "(" * 20_000 + "true" + ")" * 20_000
    assert find_expression_problem(deep, names=NAMES) is not None
    assert not review(deep).passed


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000, ["x" * 50] * 1_000, {f"k{n}": n for n in range(10_000)}, ["é" * 300] * 3],
)
def test_evidence_is_small_and_storable(value: Any) -> None:
    """Ten megabytes of output leave a few hundred characters of evidence."""
    shown = shorten_evidence(value)
    assert isinstance(shown, str)
    assert shown.endswith("...")
    assert len(shown) <= 203
    assert parse_plain(shown) == shown
    text = value if isinstance(value, str) else encode_plain(value).decode()
    assert text.startswith(shown.removesuffix("..."))


@pytest.mark.parametrize("value", [None, True, 2**63 - 1, 0.1, "short", [1, {"a": None}], {}])
def test_small_evidence_is_kept_whole(value: Any) -> None:
    """What is small is shown as it is."""
    assert shorten_evidence(value) == value
    assert type(shorten_evidence(value)) is type(value)
