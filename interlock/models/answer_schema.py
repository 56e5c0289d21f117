"""The JSON Schema of a pydantic class as a model is shown it.

Strict where that is possible: providers that hold a model to a schema want every field required
and every object closed. A class with free-form parts is shown as it is.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

_NOISE: Final = frozenset({"title", "default", "discriminator"})
_TOO_FREE: Final = frozenset({"prefixItems", "patternProperties", "allOf", "not", "uniqueItems"})


class _NotStrictError(Exception):
    """A part of a schema can hold anything."""


def render_schema(schema: type[BaseModel]) -> tuple[dict[str, Any], bool]:
    """Return a class's schema, and whether it is strict."""
    whole = schema.model_json_schema()
    try:
        return _make_strict(whole), True
    except _NotStrictError:
        return _drop_noise(whole), False


def render_schema_text(schema: type[BaseModel]) -> str:
    """Return a class's schema as a line of JSON for a prompt; optional fields stay optional."""
    shown = _drop_noise(schema.model_json_schema())
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def name_schema(schema: type[BaseModel]) -> str:
    """Return what the answer is called towards a provider: letters, digits, `_` and `-`."""
    kept = "".join(char if char.isascii() and char.isalnum() else "_" for char in schema.__name__)
    return kept[:64]


def _drop_noise(node: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema without titles and defaults; fields that are called so stay."""
    if isinstance(node, list):
        return [_drop_noise(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _drop_noise(part) for name, part in value.items()}
        if key in {"properties", "$defs"}
        else _drop_noise(value)
        for key, value in node.items()
        if key not in _NOISE
    }


def _make_strict(node: Any) -> dict[str, Any]:  # noqa: ANN401 - any part of a schema
    if not isinstance(node, dict) or not node.keys() - {"title", "description", "default"}:
        raise _NotStrictError
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    if node.keys() & _TOO_FREE:
        raise _NotStrictError
    kept = {key: value for key, value in node.items() if key not in _NOISE}
    if "oneOf" in kept:
        kept["anyOf"] = kept.pop("oneOf")
    if "anyOf" in kept:
        kept["anyOf"] = [_make_strict(part) for part in kept["anyOf"]]
    if "$defs" in kept:
        kept["$defs"] = {name: _make_strict(part) for name, part in kept["$defs"].items()}
    if kept.get("type") == "array":
        kept["items"] = _make_strict(kept.get("items"))
    return _close(kept) if kept.get("type") == "object" else kept


def _close(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object's schema with every field required and no other allowed."""
    fields = node.get("properties")
    if not fields or node.get("additionalProperties", False) is not False:
        raise _NotStrictError
    return {
        **node,
        "properties": {name: _make_strict(part) for name, part in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }
