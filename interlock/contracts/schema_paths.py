"""Which paths into a value a JSON Schema rules out.

Used by plan validation: an input that no output of a step could hold is refused before
anything runs. Where a schema leaves it open, the path passes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from interlock.contracts.near_names import suggest_names

Schema: TypeAlias = Any
"""A JSON Schema, or a part of one: an object or a bool."""

_UNREADABLE = ("allOf", "if", "not", "$dynamicRef", "patternProperties")
"""Keywords that are not followed; a path that meets one passes."""


def find_missing_part(schema: Schema, path: Sequence[str], *, is_closed: bool) -> str | None:
    """Return why no instance of a schema has anything at a path; None if one might.

    Args:
        schema: A valid JSON Schema.
        path: Keys and list indexes.
        is_closed: Whether objects hold nothing but their `properties` unless the schema says
            so, as in a pydantic class's schema.
    """
    return _Search(schema, is_closed=is_closed).find(schema, path)


class _Search:
    """One search in one schema."""

    def __init__(self, root: Schema, *, is_closed: bool) -> None:
        self.root = root
        self.is_closed = is_closed

    def find(self, schema: Schema, path: Sequence[str]) -> str | None:
        if not path:
            return None
        here = self._follow(schema)
        if not isinstance(here, Mapping) or any(word in here for word in _UNREADABLE):
            return None
        branches = here.get("anyOf") or here.get("oneOf")
        if branches:
            return self._find_in_branches(branches, path)
        return self._find_in_types(here, path)

    def _find_in_branches(self, branches: Sequence[Schema], path: Sequence[str]) -> str | None:
        """Return why no branch has the path, by the first that could have one; null cannot."""
        reasons = [self.find(branch, path) for branch in branches if branch != {"type": "null"}]
        return _take_first(reasons)

    def _find_in_types(self, here: Mapping[str, Schema], path: Sequence[str]) -> str | None:
        kinds = here.get("type")
        if kinds is None:
            return self._find_in_object(here, path) if "properties" in here else None
        kinds = [kinds] if isinstance(kinds, str) else list(kinds)
        reasons = [self._find_in_kind(kind, here, path) for kind in kinds]
        return _take_first(reasons)

    def _find_in_kind(
        self, kind: str, here: Mapping[str, Schema], path: Sequence[str]
    ) -> str | None:
        if kind == "object":
            return self._find_in_object(here, path)
        if kind == "array":
            return self._find_in_array(here, path)
        return f"it is of type {kind} there, which has no {path[0]!r}."

    def _find_in_object(self, here: Mapping[str, Schema], path: Sequence[str]) -> str | None:
        part, *rest = path
        properties = here.get("properties")
        if isinstance(properties, Mapping) and part in properties:
            return self.find(properties[part], rest)
        is_closed = self.is_closed and isinstance(properties, Mapping)
        extra = here.get("additionalProperties", not is_closed)
        if extra is not False:
            return self.find(extra, rest)
        return f"it has no {part!r}. {suggest_names(part, properties or ())}"

    def _find_in_array(self, here: Mapping[str, Schema], path: Sequence[str]) -> str | None:
        part, *rest = path
        if not part.isdecimal():
            return f"it is a list there, which has no {part!r}. Use an index, such as 0."
        first = here.get("prefixItems", ())
        if int(part) < len(first):
            return self.find(first[int(part)], rest)
        items = here.get("items", True)
        return self.find(items, rest) if items is not False else f"its list has no entry {part}."

    def _follow(self, schema: Schema) -> Schema:
        """Return what a reference within the schema leads to."""
        seen: set[str] = set()
        while isinstance(schema, Mapping) and isinstance(reference := schema.get("$ref"), str):
            if not reference.startswith("#") or reference in seen:
                return None
            seen.add(reference)
            schema = self.root
            for part in reference.removeprefix("#").split("/")[1:]:
                key = part.replace("~1", "/").replace("~0", "~")
                schema = schema.get(key) if isinstance(schema, Mapping) else None
        return schema


def _take_first(reasons: Sequence[str | None]) -> str | None:
    """Return the first reason if every way has one."""
    return reasons[0] if reasons and None not in reasons else None
