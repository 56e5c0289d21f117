"""SQL statements by name, and migrations by number, read from the package's `.sql` files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

_MARK: Final = "-- name: "


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema.

    Attributes:
        version: The schema version it leads to, counted from 1 without gaps.
        script: Its statements.
    """

    version: int
    script: str


def _folder(dialect: str) -> Traversable:
    return resources.files("interlock.checkpoints") / "sql" / dialect


@cache
def load_statements(dialect: str) -> Mapping[str, str]:
    """Return every named statement of a dialect.

    A file under `queries/` holds statements, each below a line `-- name: <name>`.
    """
    statements: dict[str, str] = {}
    for file in sorted((_folder(dialect) / "queries").iterdir(), key=lambda item: item.name):
        for section in file.read_text(encoding="utf-8").split(_MARK)[1:]:
            name, _, body = section.partition("\n")
            if name.strip() in statements:
                raise ValueError(f"statement {name.strip()!r} is defined twice")
            statements[name.strip()] = body.strip().rstrip(";")
    return statements


@cache
def load_migrations(dialect: str) -> tuple[Migration, ...]:
    """Return the migrations of a dialect, `0001_*.sql` first."""
    files = [item for item in _folder(dialect).iterdir() if item.name.endswith(".sql")]
    return tuple(
        Migration(int(file.name[:4]), file.read_text(encoding="utf-8"))
        for file in sorted(files, key=lambda item: item.name)
    )
