"""SQL statements by name, and migrations by number, read from the package's `.sql` files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from interlock.checkpoints.measure_scopes import expand_measure
from interlock.checkpoints.sealing.sealed_columns import expand_template

_MARK: Final = "-- name: "
_PLACEHOLDER: Final = re.compile(r"\?(\d*)")
_DOLLARS: Final = frozenset({"postgresql"})
"""Dialects that write `$1` for what is `?1` or the first `?` in the files."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema.

    Attributes:
        version: The schema version it leads to, counted from 1 without gaps.
        script: Its statements.
    """

    version: int
    script: str


def _folder(*parts: str) -> Traversable:
    return (resources.files("interlock.checkpoints") / "sql").joinpath(*parts)


@cache
def load_statements(dialect: str) -> Mapping[str, str]:
    """Return every named statement of a dialect.

    `sql/queries/` holds those that all databases have in common, `sql/<dialect>/queries/` those
    that only one has, each below a line `-- name: <name>`. Those in `templates/` beside them are
    there once for every sealed column, those in `measures/` once for every scope.
    """
    statements: dict[str, str] = {}
    for folder in (_folder(), _folder(dialect)):
        for name, body in (
            *_read_statements(folder / "queries"),
            *_expand_templates(folder),
            *_expand_measures(folder),
        ):
            if name in statements:
                raise ValueError(f"statement {name!r} is defined twice")
            statements[name] = number_parameters(body) if dialect in _DOLLARS else body
    return statements


def _read_statements(folder: Traversable) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        for section in file.read_text(encoding="utf-8").split(_MARK)[1:]:
            name, _, body = section.partition("\n")
            found.append((name.strip(), body.strip().rstrip(";")))
    return found


def _expand_templates(folder: Traversable) -> list[tuple[str, str]]:
    """Return the statements that templates stand for: one for each sealed column."""
    found: list[tuple[str, str]] = []
    for name, body in _read_statements(folder / "templates"):
        found += zip(expand_template(name), expand_template(body), strict=True)
    return found


def _expand_measures(folder: Traversable) -> list[tuple[str, str]]:
    """Return the statements that metrics are counted with: one for each scope."""
    measures = folder / "measures"
    if not measures.is_dir():
        return []
    return [form for pair in _read_statements(measures) for form in expand_measure(*pair)]


def number_parameters(statement: str) -> str:
    """Return a statement with `$1` for `?1`, and with `?` numbered in order."""
    numbers = iter(range(1, len(statement)))
    return _PLACEHOLDER.sub(lambda match: f"${match[1] or next(numbers)}", statement)


@cache
def load_migrations(dialect: str) -> tuple[Migration, ...]:
    """Return the migrations of a dialect, `0001_*.sql` first."""
    files = [item for item in _folder(dialect).iterdir() if item.name.endswith(".sql")]
    return tuple(
        Migration(int(file.name[:4]), file.read_text(encoding="utf-8"))
        for file in sorted(files, key=lambda item: item.name)
    )
