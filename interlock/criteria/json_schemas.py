"""JSON Schema criteria: validators compiled once, errors with the place that is wrong."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from interlock.contracts.criteria import Finding
from interlock.contracts.plain import Plain
from interlock.criteria.cel_expressions import shorten_evidence


@lru_cache(maxsize=1024)
def _compile(schema_text: str) -> Draft202012Validator:
    schema = json.loads(schema_text)
    Draft202012Validator.check_schema(schema)
    # A registry of its own: a reference to another place is never fetched from there.
    return Draft202012Validator(schema, registry=Registry())


def find_schema_problem(json_schema: Mapping[str, Any]) -> str | None:
    """Return why a JSON Schema is not one, or None."""
    try:
        _compile(json.dumps(json_schema, sort_keys=True))
    except SchemaError as exc:
        return f"is not a JSON Schema: {exc.message} at {exc.json_path}"
    except (TypeError, ValueError) as exc:
        return f"is not JSON: {exc}"
    return _find_dead_reference(json_schema)


def _find_dead_reference(json_schema: Mapping[str, Any]) -> str | None:
    """Return which reference leads nowhere, or None."""
    root = DRAFT202012.create_resource(json_schema)
    todo = [(Registry[Any]().resolver_with_root(root), root)]
    while todo:
        resolver, resource = todo.pop()
        contents = resource.contents
        reference = contents.get("$ref") if isinstance(contents, Mapping) else None
        if isinstance(reference, str):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                return f"refers to {reference!r}, which it does not hold. Put it under $defs."
        todo += [(resolver.in_subresource(part), part) for part in resource.subresources()]
    return None


def find_value_problem(value: Plain, json_schema: Mapping[str, Any]) -> str | None:
    """Return why a value does not satisfy a JSON Schema, or None."""
    finding = review_schema(value, json_schema)
    return None if finding.passed else finding.message


def review_schema(value: Plain, json_schema: Mapping[str, Any], *, name: str = "output") -> Finding:
    """Return the finding of one schema on one value; the most telling error becomes the message."""
    try:
        error = best_match(_compile(json.dumps(json_schema, sort_keys=True)).iter_errors(value))
    except (SchemaError, Unresolvable, RecursionError, TypeError, ValueError) as exc:
        return Finding(passed=False, message=f"could not be decided: {exc}"[:300])
    if error is None:
        return Finding(passed=True)
    place = name + error.json_path[1:]
    return Finding(
        passed=False,
        message=f"{place}: {error.message}"[:500],
        evidence={place: shorten_evidence(error.instance)},
    )
