"""Review: every declared criterion decided on one output, as findings with evidence.

Called by the review node and by plan validation.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

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
from interlock.contracts.judging import JudgeLike
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plain import Plain, encode_plain
from interlock.contracts.plan import Step
from interlock.contracts.safe_words import clean_words, word_error, word_value
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
from interlock.criteria.judge_panel import CallTerms, JudgePanel
from interlock.criteria.registered_checks import run_check
from interlock.criteria.side_by_side import run_side_by_side

_NAMES = ("output", "inputs", "context")


class CriteriaEngine:
    """Decides criteria; knows the registered checks and the judges."""

    def __init__(
        self, checks: Mapping[str, Check], judges: Mapping[str, JudgeLike] | None = None
    ) -> None:
        """Keep checks and judges.

        Args:
            checks: Name to function `(output, brief) -> bool | Finding`, sync or async.
            judges: Who reads rubrics, by name.
        """
        self._checks = dict(checks)
        self._panel = JudgePanel(judges or {})

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
                return self._panel.find_problem(criterion)
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

    def find_type_problem(
        self, value: Plain, shape: Mapping[str, Any] | type[BaseModel], *, name: str
    ) -> str | None:
        """Return why a value is not what a JSON Schema or a pydantic class says, or None.

        Args:
            value: Plain.
            shape: A class is strict, so that "12" is no integer.
            name: What the value is called in the answer.
        """
        if isinstance(shape, Mapping):
            finding = review_schema(value, shape, name=name)
        else:
            finding = _review_model(value, shape, name=name)
        return None if finding.passed else finding.message

    def describe(self, step: Step, worker: Worker) -> tuple[str, ...]:
        """Return what an output must satisfy, in words, for the brief."""
        words = [describe_criterion(criterion) for criterion in step.criteria]
        if worker.output is not None:
            words.insert(0, _describe_output(worker.output))
        if step.output_schema is not None:
            words.insert(0, f"matches the JSON schema {step.output_schema}"[:500])
        return tuple(words)

    async def review(
        self,
        output: Plain,
        brief: Brief,
        *,
        step: Step,
        worker: Worker | None,
        limit_seconds: float | None = None,
        is_draining: Callable[[], bool] | None = None,
    ) -> tuple[Finding, ...]:
        """Return one finding a criterion, the output type first.

        If the output does not have its declared type, the other criteria are not asked. Judges are
        asked last, all at once, and not at all if something else has failed already.

        Args:
            output: The plain value that was handed over.
            brief: What the worker was shown.
            step: The step; its criteria and output schema.
            worker: Who made the output; None for a person, whose type is not checked.
            limit_seconds: How long one check may take; None is no limit.
            is_draining: Says whether the run is asked to stop.
        """
        findings = list(_review_types(output, step=step, worker=worker))
        if all(finding.passed for finding in findings):
            terms = CallTerms(limit_seconds=limit_seconds, is_draining=is_draining)
            findings += await self._review_criteria(step.criteria, output, brief, terms=terms)
        return tuple(findings)

    async def _review_criteria(
        self, criteria: Sequence[Criterion], output: Plain, brief: Brief, *, terms: CallTerms
    ) -> list[Finding]:
        """Return the findings of what code decides, then of what judges do, in plan order."""
        found: dict[int, Finding] = {}
        rubrics: dict[int, RubricCriterion] = {}
        for position, criterion in enumerate(criteria):
            if isinstance(criterion, RubricCriterion):
                rubrics[position] = criterion
            else:
                finding = await self._review_criterion(criterion, output, brief, terms=terms)
                found[position] = _name_criterion(finding, criterion)
        if rubrics and all(finding.passed for finding in found.values()):
            answers = await run_side_by_side(
                self._panel.decide(criterion, output, brief, terms=terms)
                for criterion in rubrics.values()
            )
            for (position, criterion), finding in zip(rubrics.items(), answers, strict=True):
                found[position] = _name_criterion(finding, criterion)
        return [found[position] for position in sorted(found)]

    async def _review_criterion(
        self,
        criterion: ExpressionCriterion | SchemaCriterion | CheckCriterion,
        output: Plain,
        brief: Brief,
        *,
        terms: CallTerms,
    ) -> Finding:
        match criterion:
            case ExpressionCriterion():
                values = {"output": output, "inputs": brief.inputs, "context": brief.context}
                return review_expression(criterion.expression, values, message=criterion.message)
            case SchemaCriterion():
                return review_schema(output, criterion.json_schema)
            case CheckCriterion():
                check = self._checks.get(criterion.name)
                if check is None:
                    words = f"could not be decided: check {criterion.name!r} is not registered"
                    return Finding(passed=False, message=words)
                return await run_check(
                    criterion.name,
                    check,
                    output,
                    brief,
                    limit_seconds=terms.limit_seconds,
                    is_draining=terms.is_draining,
                )


def _name_criterion(finding: Finding, criterion: Criterion) -> Finding:
    named = {
        "criterion": finding.criterion or describe_criterion(criterion),
        "kind": criterion.kind,
    }
    return finding.model_copy(update=named)


def _describe_output(output: type[BaseModel] | dict[str, Any]) -> str:
    if isinstance(output, dict):
        return f"matches the schema {output.get('title') or output}"[:500]
    fields = ", ".join(output.model_fields)
    return f"is a {output.__name__} with {fields}"


def _review_types(output: Plain, *, step: Step, worker: Worker | None) -> list[Finding]:
    findings: list[Finding] = []
    if step.output_schema is not None:
        finding = review_schema(output, step.output_schema)
        findings.append(
            finding.model_copy(
                update={"criterion": "has the step's output schema", "kind": "output"}
            )
        )
    if worker is None or worker.output is None:
        return findings
    words = _describe_output(worker.output)
    if isinstance(worker.output, dict):
        finding = review_schema(output, worker.output)
    else:
        finding = _review_model(output, worker.output)
    findings.append(finding.model_copy(update={"criterion": words, "kind": "output"}))
    return findings


def _review_model(output: Plain, model: type[BaseModel], *, name: str = "output") -> Finding:
    """Return whether an output is what the class dumps to: strict, so that "12" is no integer."""
    try:
        model.model_validate_json(encode_plain(output), strict=True)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False)
        lines = [
            f"{name}{''.join(f'.{part}' for part in error['loc'])}: {error['msg']}, "
            f"saw {word_value(error['input'])}"
            for error in errors[:5]
        ]
        message = clean_words("; ".join(lines), 800)
    except Exception as exc:  # noqa: BLE001 - the class's own validators
        words = word_error(exc, 500)
        message = f"could not be decided: {model.__name__} raised {type(exc).__name__}: {words}"
    else:
        return Finding(passed=True)
    return Finding(passed=False, message=message, evidence=shorten_evidence(output))
