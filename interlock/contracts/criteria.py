"""Success criteria as data, and the findings they yield.

A criterion is declared in a step; the `criteria` room decides it. Here are only
the words, so that a plan can be stored, shown and written by a model.
"""

import operator
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.plain import Plain


class ExpressionCriterion(FrozenModel):
    """A CEL expression over `output`, `inputs` and `context` that must be true."""

    kind: Literal["expr"] = "expr"
    expression: str
    message: str | None = None


class SchemaCriterion(FrozenModel):
    """A JSON Schema (draft 2020-12) that the output must satisfy."""

    kind: Literal["schema"] = "schema"
    json_schema: dict[str, Any]


class CheckCriterion(FrozenModel):
    """A check registered under this name; `(output, brief) -> bool | Finding`."""

    kind: Literal["check"] = "check"
    name: str


UndecidedDefault: TypeAlias = Literal["fail", "pass", "ask"]


class RubricCriterion(FrozenModel):
    """A rubric that the team's judges read.

    Attributes:
        text: What to decide, for the worker too.
        judges: Which of the team's judges are asked; all of them if none is named.
        quorum: How many must agree; more than half of those asked if left out.
        undecided: What holds when no quorum agrees, or judges failed: `fail`, `pass`, or `ask` a
            person.
    """

    kind: Literal["rubric"] = "rubric"
    text: str
    judges: tuple[str, ...] = ()
    quorum: Annotated[int, Field(ge=1)] | None = None
    undecided: UndecidedDefault = "fail"


Criterion: TypeAlias = Annotated[
    ExpressionCriterion | SchemaCriterion | CheckCriterion | RubricCriterion,
    Field(discriminator="kind"),
]


class Finding(FrozenModel):
    """The result of one criterion on one output.

    Attributes:
        criterion: The criterion in words, as the worker was shown it.
        passed: Whether it holds; False too when it could not be decided.
        message: Why not, or what to change; goes into the next attempt's feedback.
        evidence: What was seen: the values or the place that decided it. Of a rubric: each judge's
            verdict, reason and quotes.
        asks_person: Whether it did not pass because only a person can decide it.
        undecided: Whether a rubric's declared default holds, since its judges came to nothing.
        kind: Of the criterion: `expr`, `schema`, `check`, `rubric`; `output` for the declared type of
            the output, `context` for what the shared context refuses,
            `bounds` for a review that was cut off.
        blames: The inputs, or keys of the shared context, that are found to be wrong: the fault is not
            this worker's, but of the step whose output or fact they are.
    """

    criterion: str = ""
    passed: bool
    message: str = ""
    evidence: Plain = None
    asks_person: bool = False
    undecided: bool = False
    kind: Annotated[str, Field(exclude_if=operator.not_)] = ""
    blames: Annotated[tuple[str, ...], Field(exclude_if=operator.not_)] = ()


def expr(expression: str, *, message: str | None = None) -> ExpressionCriterion:
    """Return a criterion that a CEL expression over output, inputs and context decides.

    Args:
        expression: CEL, e.g. `size(output.text) < 1200`.
        message: What to tell the worker when it does not hold.
    """
    return ExpressionCriterion(expression=expression, message=message)


def schema(shape: dict[str, Any] | type[BaseModel]) -> SchemaCriterion:
    """Return a criterion that a JSON Schema decides.

    Args:
        shape: A JSON Schema, or a pydantic class whose JSON Schema is taken. (A class's own
            validators run when it is a worker's `output`; a plan holds only data.)
    """
    if isinstance(shape, dict):
        return SchemaCriterion(json_schema=shape)
    return SchemaCriterion(json_schema=shape.model_json_schema())


def check(name: str) -> CheckCriterion:
    """Return a criterion that the registered check of this name decides."""
    return CheckCriterion(name=name)


def rubric(
    text: str,
    *,
    judges: Sequence[str] = (),
    quorum: int | None = None,
    undecided: UndecidedDefault = "fail",
) -> RubricCriterion:
    """Return a criterion that the team's judges decide from this text.

    Args:
        text: What to decide, e.g. `Answers the question`.
        judges: Which judges are asked, by name; all of the team's if none is named.
        quorum: How many must agree; more than half of those asked if left out.
        undecided: What holds when they do not: `fail`, `pass`, or `ask` a person.
    """
    return RubricCriterion(text=text, judges=tuple(judges), quorum=quorum, undecided=undecided)


def describe_criterion(criterion: Criterion) -> str:
    """Return a criterion in words, for a brief, a finding and the journal."""
    match criterion:
        case ExpressionCriterion():
            words = f"{criterion.expression} is true"
            return f"{criterion.message} ({words})" if criterion.message else words
        case SchemaCriterion():
            title = criterion.json_schema.get("title")
            return f"matches the schema {title}" if title else "matches the given JSON schema"
        case CheckCriterion():
            return f"passes the check {criterion.name}"
        case RubricCriterion():
            return criterion.text
