"""Review: every declared criterion decided on one output, as findings with evidence.

Called by the review node and by plan validation. A check that raises is a failed finding
that names the check; only cancellation and LangGraph's own signals pass through.
"""

import asyncio
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from langgraph.errors import GraphBubbleUp
from pydantic import BaseModel, ValidationError

from interlock.contracts.brief import Brief
from interlock.contracts.criteria import (
    CheckCriterion,
    Criterion,
    ExpressionCriterion,
    Finding,
    RubricCriterion,
    SchemaCriterion,
    describe_criterion,
)
from interlock.contracts.plain import Plain, freeze
from interlock.contracts.plan import Step
from interlock.contracts.plan_validation import suggest_names
from interlock.contracts.worker import Check, Worker
from interlock.criteria.cel_expressions import (
    find_expression_problem,
    review_expression,
    shorten_evidence,
)
from interlock.criteria.json_schemas import (
    find_schema_problem,
    find_value_problem,
    review_schema,
)

_NAMES = ("output", "inputs", "context")


class CriteriaEngine:
    """Decides criteria; knows the registered checks."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        """Keep the checks.

        Args:
            checks: Name to function `(output, brief) -> bool | Finding`, sync or async.
        """
        self._checks = dict(checks)

    def find_criterion_problem(self, criterion: Criterion) -> str | None:
        """Return why a criterion can never be decided, or None."""
        match criterion:
            case ExpressionCriterion():
                return find_expression_problem(criterion.expression, names=_NAMES)
            case SchemaCriterion():
                return find_schema_problem(criterion.json_schema)
            case CheckCriterion() if criterion.name not in self._checks:
                return (
                    f"names the check {criterion.name!r}, which is not registered. "
                    f"{suggest_names(criterion.name, self._checks)} Pass it in checks=."
                )
            case RubricCriterion():
                return (
                    "is a rubric, and this team has no judge to read it. Use expr, schema or a "
                    "registered check."
                )
            case _:
                return None

    def find_expression_problem(self, expression: str, *, names: Collection[str]) -> str | None:
        """Return why a CEL expression over these names cannot be evaluated, or None."""
        return find_expression_problem(expression, names=names)

    def find_schema_problem(self, json_schema: Mapping[str, Any]) -> str | None:
        """Return why a JSON Schema is not one, or None."""
        return find_schema_problem(json_schema)

    def find_value_problem(self, value: object, json_schema: Mapping[str, Any]) -> str | None:
        """Return why a value does not satisfy a JSON Schema, or None."""
        return find_value_problem(value, json_schema)

    def describe(self, step: Step, worker: Worker) -> tuple[str, ...]:
        """Return what an output must satisfy, in words, for the brief."""
        words = [describe_criterion(criterion) for criterion in step.criteria]
        if worker.output is not None:
            words.insert(0, _describe_output(worker.output))
        if step.output_schema is not None:
            words.insert(0, f"matches the JSON schema {step.output_schema}"[:500])
        return tuple(words)

    async def review(
        self, output: Plain, brief: Brief, *, step: Step, worker: Worker | None
    ) -> tuple[Finding, ...]:
        """Return one finding a criterion, the output type first.

        If the output does not have its declared type, the other criteria are not asked.

        Args:
            output: The plain value that was handed over.
            brief: What the worker was shown.
            step: The step; its criteria and output schema.
            worker: Who made the output; None for a person, whose type is not checked.
        """
        findings = list(_review_types(output, step=step, worker=worker))
        if all(finding.passed for finding in findings):
            for criterion in step.criteria:
                finding = await self._review_criterion(criterion, output, brief)
                findings.append(
                    finding
                    if finding.criterion
                    else finding.model_copy(update={"criterion": describe_criterion(criterion)})
                )
        return tuple(findings)

    async def _review_criterion(self, criterion: Criterion, output: Plain, brief: Brief) -> Finding:
        match criterion:
            case ExpressionCriterion():
                values = {"output": output, "inputs": brief.inputs, "context": brief.context}
                return review_expression(criterion.expression, values, message=criterion.message)
            case SchemaCriterion():
                return review_schema(output, criterion.json_schema)
            case CheckCriterion():
                return await self._run_check(criterion.name, output, brief)
            case RubricCriterion():
                return Finding(passed=False, message="could not be decided: there is no judge")

    async def _run_check(self, name: str, output: Plain, brief: Brief) -> Finding:
        check = self._checks.get(name)
        if check is None:
            return Finding(
                passed=False, message=f"could not be decided: check {name!r} is not registered"
            )
        try:
            result = await _call(check, freeze(output), brief)
        except GraphBubbleUp:
            raise
        except Exception as exc:  # noqa: BLE001 - user code; its failure is a finding
            return Finding(
                passed=False,
                message=f"check {name!r} raised {type(exc).__name__}: {exc}"[:500],
                evidence=shorten_evidence(output),
            )
        if isinstance(result, Finding):
            return result
        if result is True:
            return Finding(passed=True)
        if result is False:
            return Finding(
                passed=False,
                message=f"check {name!r} did not pass",
                evidence=shorten_evidence(output),
            )
        return Finding(
            passed=False,
            message=f"check {name!r} returned {result!r}; it must return a bool or a Finding"[:500],
        )


async def _call(check: Callable[..., Any], output: Plain, brief: Brief) -> Any:  # noqa: ANN401 - user's
    if inspect.iscoroutinefunction(check):
        return await check(output, brief)
    result = await asyncio.to_thread(check, output, brief)
    return await result if inspect.isawaitable(result) else result


def _describe_output(output: type[BaseModel] | dict[str, Any]) -> str:
    if isinstance(output, dict):
        return f"matches the schema {output.get('title') or output}"[:500]
    fields = ", ".join(output.model_fields)
    return f"is a {output.__name__} with {fields}"


def _review_types(output: Plain, *, step: Step, worker: Worker | None) -> list[Finding]:
    findings: list[Finding] = []
    if step.output_schema is not None:
        finding = review_schema(output, step.output_schema)
        findings.append(finding.model_copy(update={"criterion": "has the step's output schema"}))
    if worker is None or worker.output is None:
        return findings
    words = _describe_output(worker.output)
    if isinstance(worker.output, dict):
        finding = review_schema(output, worker.output)
    else:
        finding = _review_model(output, worker.output)
    findings.append(finding.model_copy(update={"criterion": words}))
    return findings


def _review_model(output: Plain, model: type[BaseModel]) -> Finding:
    try:
        model.model_validate(output)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False)
        lines = [
            f"output{''.join(f'.{part}' for part in error['loc'])}: {error['msg']}, "
            f"saw {shorten_evidence_safely(error['input'])!r}"
            for error in errors[:5]
        ]
        return Finding(
            passed=False, message="; ".join(lines)[:800], evidence=shorten_evidence(output)
        )
    return Finding(passed=True)


def shorten_evidence_safely(value: object) -> Plain:
    """Return any value small enough to be shown, by its repr if it is not plain."""
    try:
        return shorten_evidence(value)
    except (TypeError, ValueError):
        return repr(value)[:200]
