"""Every statement that touches a sealed column says so, and says it right."""

import re
import sqlite3
from collections.abc import Iterator

import pytest

from interlock.checkpoints.named_sql import load_migrations, load_statements, number_parameters
from interlock.checkpoints.sealing.annotations import Source, parse_annotations
from interlock.checkpoints.sealing.sealed_columns import SEALED, list_sealed_columns

DIALECTS = ("sqlite", "postgresql")
CLEAR = {
    "blobs": "thread_id hash",
    "channel_values": "thread_id ns channel version format blob_hash",
    "checkpoints": "thread_id ns checkpoint_id parent_id run_id format",
    "context_facts": "space key version state value_hash rule plan_order replaces",
    "context_marks": "space key version cause_space cause_key cause_version by_version",
    "context_sources": "source_space source_key source_version space version key",
    "context_uses": "thread_id superstep step_id attempt space key version",
    "context_versions": "space version kind thread_id superstep epoch step_id attempt worker "
    "brief_hash base at",
    "criteria": "thread_id hash kind",
    "effect_moves": "seq thread_id key tries state settler at",
    "effect_uses": "seq thread_id attempt name place key did_start called_at",
    "effects": "seq thread_id key epoch step_id worker tool arguments_hash ordinal is_natural "
    "is_irreversible can_undo undoes state tries token runner_host runner_pid runner_started "
    "answer_hash settled_by began_at started_at ended_at",
    "faults": "seq id thread_id superstep step_id attempt how found_by found_thread found_superstep "
    "found_attempt found_at",
    "findings": "thread_id handoff_id ordinal step_id criterion result at",
    "handoffs": "seq id thread_id superstep kind sender receiver step_id attempt worker "
    "payload_hash status queued_at started_at ended_at input_tokens output_tokens trace_id "
    "action error turn_at reviewed_at model_us tool_us judge_us money question_id queue_us brief_us work_us review_us",
    "leases": "thread_id token owner owner_host owner_pid owner_started expires_at",
    "ledger_identity": "one id",
    "limits": "name state since failures probes passed open_until last_failure next_at held_until",
    "model_calls": "seq id thread_id superstep path role worker attempt model calls input_bytes "
    "reserved_tokens reserved_money tokens money input_tokens output_tokens cached_tokens error "
    "started_at ended_at",
    "outcomes": "seq thread_id superstep step_id status worker attempts fallback by_person begun_at "
    "settled_at life_us settle_us input_tokens output_tokens model_calls money",
    "payloads": "thread_id hash size cuts",
    "prunings": "thread_id",
    "questions": "seq id thread_id status asked_at answered_at step_id kind waited_us",
    "resealing": "one",
    "runs": "thread_id status accepted_at updated_at stepwise spaces context_refs team trace_parent",
    "scratchpad_notes": "seq id thread_id superstep step_id worker attempt size noted_at",
    "sealing": "one format salt state",
    "sealing_keys": "id proof",
    "step_needs": "thread_id superstep step_id need is_read",
    "task_writes": "thread_id ns checkpoint_id task_path task_id idx channel format blob_hash",
    "tool_calls": "thread_id handoff_id ordinal tool started_at ended_at error",
}
"""Columns that were looked at and found to hold nothing that anybody has said."""

ALIASES = {"hash": ("blob_hash",), "space": ("cause_space",), "version": ("by_version",)}
"""What a part of a key is called in a table that refers to the row."""

MADE_FROM_TEMPLATES = re.compile(r"(list_first|list_next|reseal|holds|guard\w+|check_guard)_")


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    """Return an empty database with the newest schema."""
    connection = sqlite3.connect(":memory:")
    for migration in load_migrations("sqlite"):
        connection.executescript(migration.script)
    yield connection
    connection.close()


def list_named(dialect: str) -> dict[str, str]:
    """Return the statements that somebody wrote, without those made from templates."""
    found = load_statements(dialect)
    return {name: text for name, text in found.items() if not MADE_FROM_TEMPLATES.match(name)}


def strip_comments(statement: str) -> str:
    """Return a statement without the lines above it."""
    return re.sub(r"^--.*$", "", statement, flags=re.MULTILINE)


def find_touched(statement: str) -> set[str]:
    """Return the sealed columns that a statement names, as `table.column`."""
    text = re.sub(r"'[^']*'", "''", strip_comments(statement))
    words = set(re.findall(r"\w+", text))
    stars = re.search(r"(?:SELECT|RETURNING|DISTINCT|,|\.)\s*\*", text) is not None
    return {
        f"{table.name}.{column}"
        for table, column in list_sealed_columns()
        if table.name in words and (column in list_column_words(text, table.name) or stars)
    }


def list_column_words(text: str, table: str) -> set[str]:
    """Return the words of a statement that may be a table's columns.

    Those behind an alias of another table are not.
    """
    tables = {alias: name for name, alias in re.findall(r"(?:FROM|JOIN) (\w+) AS (\w+)", text)}
    own = re.sub(
        r"\b(\w+)\.\w+",
        lambda found: "" if tables.get(found[1], table) != table else found[0],
        text,
    )
    return set(re.findall(r"\w+", own))


def map_parameters(statement: str) -> dict[int, set[str]]:
    """Return the columns that each parameter of a statement stands for, counted from 1."""
    text = number_parameters(strip_comments(statement))
    found: dict[int, set[str]] = {}
    for column, number in re.findall(
        r"(\w+)\s*>?=\s*(?:coalesce\(\w+,\s*)?(?:CAST\()?\$(\d+)", text
    ):
        found.setdefault(int(number), set()).add(column)
    insert = re.search(
        r"INSERT INTO \w+\s*\(([^)]*)\)\s*(?:VALUES\s*\(|SELECT\s)(.*)", text, re.DOTALL
    )
    if insert is not None:
        columns = [one.strip() for one in insert[1].split(",")]
        values = re.split(r",", re.sub(r"CAST\((\$\d+) AS \w+\)", r"\1", insert[2]))
        for column, value in zip(columns, values, strict=False):
            if (number := re.search(r"\$(\d+)", value)) is not None:
                found.setdefault(int(number[1]), set()).add(column)
    return found


def test_every_column_is_sealed_or_was_found_to_be_clear(database: sqlite3.Connection) -> None:
    """No column of the schema was forgotten: each is sealed, or listed here as clear."""
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        seen = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
        sealed = set(SEALED[table].columns) if table in SEALED else set()
        clear = set(CLEAR[table].split())
        assert sealed | clear == seen, table
        assert not sealed & clear, table


def test_keys_are_columns_that_hold_something(database: sqlite3.Connection) -> None:
    """What a value is bound to is a clear column that is never NULL, and rows are found by it."""
    for table in SEALED.values():
        columns = {row[1]: row for row in database.execute(f"PRAGMA table_info({table.name})")}
        clear = set(CLEAR[table.name].split())
        for name in {*table.key, *table.row_key}:
            assert name in clear, (table.name, name)
            assert columns[name][3] or columns[name][5], (table.name, name)  # NOT NULL, or the key
        for name in table.columns:
            kind = "TEXT" if name in table.texts else "BLOB"
            assert columns[name][2] == kind, (table.name, name)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_that_touches_a_sealed_column_says_so(dialect: str) -> None:
    """A statement that names a sealed column is annotated for it, in each dialect."""
    statements = list_named(dialect)
    seals = parse_annotations(statements)
    for name, text in statements.items():
        covered = seals[name].covered if name in seals else frozenset[str]()
        assert find_touched(text) == covered, name


def test_annotations_name_the_right_columns_of_results(database: sqlite3.Connection) -> None:
    """What is opened is the column that it is said to be, and so are the parts of its key."""
    statements = list_named("sqlite")
    for name, seals in parse_annotations(statements).items():
        if not seals.opened:
            continue
        text = number_parameters(strip_comments(statements[name])).replace("$", "?")
        numbers = [int(one) for one in re.findall(r"\?(\d+)", text)]
        cursor = database.execute(text, [None] * max(numbers, default=0))
        names = [column[0] for column in cursor.description]
        for use in seals.opened:
            assert names[use.value.index] == use.column, name
            for source, column in zip(use.row, SEALED[use.table].key, strict=True):
                if source.kind == "column":
                    assert names[source.index] in {column, *ALIASES.get(column, ())}, name


@pytest.mark.parametrize("dialect", DIALECTS)
def test_annotations_name_the_right_parameters(dialect: str) -> None:
    """What is sealed is the parameter that it is said to be, and so are the parts of its key."""
    statements = list_named(dialect)
    for name, seals in parse_annotations(statements).items():
        columns = map_parameters(statements[name].replace("$", "?"))

        def is_for(source: Source, column: str, known: dict[int, set[str]] = columns) -> bool:
            return column in known.get(source.index + 1, set())

        for use in (*seals.sealed, *seals.opened):
            if use.value.kind == "parameter":
                assert is_for(use.value, use.column), (name, use)
            for source, column in zip(use.row, SEALED[use.table].key, strict=True):
                if source.kind == "parameter":
                    assert is_for(source, column), (name, use, column)


def test_both_dialects_say_the_same() -> None:
    """A statement that differs between databases is annotated alike in both."""
    found = [parse_annotations(load_statements(dialect)) for dialect in DIALECTS]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "line",
    [
        "-- seal: payloads.data (?1, ?2)",
        "-- seal: ?0 payloads.data (?1, ?2)",
        "-- seal: ?4 payloads.data (?1)",
        "-- seal: ?4 payloads.size (?1, ?2)",
        "-- seal: 4 payloads.data (?1, ?2)",
        "-- open: ?1 payloads.data (?1, ?2)",
        "-- open: 1 nowhere.data (?1, ?2)",
        "-- unopened: payloads.size",
    ],
)
def test_a_wrong_annotation_is_refused(line: str) -> None:
    """An annotation that cannot be read, or names no sealed column, is an error and not nothing."""
    with pytest.raises(ValueError, match="statement 'wrong'"):
        parse_annotations({"wrong": f"{line}\nSELECT 1"})
