import re
from pathlib import Path

import pytest

import interlock.checkpoints
from interlock.checkpoints.named_sql import load_migrations, load_statements

DIALECTS = ("sqlite", "postgresql")
SOURCES = sorted(Path(interlock.checkpoints.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_is_used_and_every_used_one_exists(dialect: str) -> None:
    """The `.sql` files hold what the code asks for: no more, no less."""
    text = "\n".join(source.read_text(encoding="utf-8") for source in SOURCES)
    known = set(load_statements(dialect))
    asked = set(re.findall(r'\.run(?:_many)?\(\s*"(\w+)"', text))
    assert asked <= known
    built = tuple(re.findall(r'\.run(?:_many)?\(\s*f"(\w+_)\{', text))
    assert len(built) > 3  # those that are there once for each sealed column
    unused = {name for name in known if f'"{name}"' not in text and not name.startswith(built)}
    assert unused == set()


def test_migrations_are_numbered_without_gaps() -> None:
    """Versions count from 1, so that a database's version says which are missing."""
    versions = [[one.version for one in load_migrations(dialect)] for dialect in DIALECTS]
    assert versions[0] == list(range(1, len(versions[0]) + 1))
    assert versions[1] == versions[0]


def test_no_statement_is_put_together_from_values() -> None:
    """Statements are constants: nothing but numbers of ours is ever formatted into one."""
    for source in SOURCES:
        for line in source.read_text(encoding="utf-8").splitlines():
            if re.search(r'execute(many)?\(\s*f"', line):
                assert ":d}" in line, f"{source.name}: {line}"
