import re
from pathlib import Path

import interlock.checkpoints
from interlock.checkpoints.named_sql import load_migrations, load_statements

SOURCES = sorted(Path(interlock.checkpoints.__file__).parent.glob("*.py"))


def test_every_statement_is_used_and_every_used_one_exists() -> None:
    """The `.sql` files hold what the code asks for: no more, no less."""
    text = "\n".join(source.read_text(encoding="utf-8") for source in SOURCES)
    known = set(load_statements("sqlite"))
    asked = set(re.findall(r'_SQL\["(\w+)"', text))
    assert asked <= known
    assert {name for name in known if f'"{name}"' not in text} == set()


def test_migrations_are_numbered_without_gaps() -> None:
    """Versions count from 1, so that a database's version says which are missing."""
    versions = [migration.version for migration in load_migrations("sqlite")]
    assert versions == list(range(1, len(versions) + 1))


def test_no_statement_is_put_together_from_values() -> None:
    """Statements are constants: nothing but numbers of ours is ever formatted into one."""
    for source in SOURCES:
        for line in source.read_text(encoding="utf-8").splitlines():
            if re.search(r'execute(many)?\(\s*f"', line):
                assert ":d}" in line, f"{source.name}: {line}"
