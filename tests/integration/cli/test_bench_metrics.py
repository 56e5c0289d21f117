"""`interlock bench metrics`: what metrics cost on journals that are copied from real runs."""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from interlock.bench import metric_queries as bench
from interlock.bench.bench_databases import SqliteFiles, parse_place
from interlock.bench.bulk_rows import open_bulk_rows
from interlock.bench.journal_filling import Filling, fill_journal
from interlock.bench.template_runs import play_templates
from interlock.contracts.measures import Measures, MeasureWindow
from interlock.testing import ManualClock
from tests.integration.cli.shell import Shell, require_clean
from tests.postgres.postgres_server import PostgresServer

FEW = ("bench", "metrics", "--handoffs", "300", "--rounds", "1")
SCOPES = ["one thread", "one day", "one team", "all"]
NOT_COPIED = {
    "blobs",
    "channel_values",
    "checkpoints",
    "effect_moves",
    "leases",
    "ledger_identity",
    "payloads",
    "task_writes",
}
"""What runs write and no metric is counted from."""


def list_counts(measures: Measures) -> dict[tuple[str, ...], dict[str, int]]:
    """Return all that is counted, by table and names; times and averages are left out."""
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for table, rows in asdict(measures).items():
        for row in rows if isinstance(rows, (list, tuple)) else ():
            cells: Mapping[str, Any] = (
                dict(zip("ab", row, strict=True)) if isinstance(row, tuple) else row
            )
            names = (table, *(str(cell) for cell in cells.values() if isinstance(cell, str)))
            numbers = {name: cell for name, cell in cells.items() if isinstance(cell, int)}
            found[names] = {
                name: cell for name, cell in numbers.items() if not name.endswith("_us")
            }
    return found


async def test_a_filled_journal_is_its_runs_again_and_again(tmp_path: Path) -> None:
    """Four copies make five times of every row that metrics read, and of everything they count."""
    database, clock = SqliteFiles(tmp_path), ManualClock(auto=True)
    async with database.open_ours(clock) as storage:
        threads = await play_templates(storage, clock, runs=3, seed=3)
        counted = list_counts(await storage.measures.measure(MeasureWindow()))
        written = count_rows(tmp_path)
        with open_bulk_rows(database) as rows:
            filling = Filling(
                threads=threads,
                copies=4,
                ends_at=datetime(2026, 3, 1, tzinfo=UTC),
                spread=timedelta(days=30),
                seed=1,
            )
            fill_journal(rows, filling)
        filled = count_rows(tmp_path)
        assert list_counts(await storage.measures.measure(MeasureWindow())) == {
            names: {name: 5 * number for name, number in numbers.items()}
            for names, numbers in counted.items()
        }
    assert {names[0] for names in counted} >= {"runs", "steps", "attempts", "criteria", "edges"}
    assert {name for name in written if filled[name] == written[name]} == NOT_COPIED
    assert all(filled[name] == 5 * written[name] for name in written.keys() - NOT_COPIED)
    first, last = find_times(tmp_path)
    assert "2026-01-30" < first < "2026-02-05"
    assert "2026-03-01" <= last < "2026-03-02"


def find_times(folder: Path) -> tuple[str, str]:
    """Return when the first and the last handoff of a copy ended."""
    statement = "SELECT min(ended_at), max(ended_at) FROM handoffs WHERE thread_id NOT LIKE 'temp%'"
    with sqlite3.connect(folder / "interlock.db") as connection:
        first, last = connection.execute(statement).fetchone()
    connection.close()
    return first, last


def count_rows(folder: Path) -> dict[str, int]:
    """Return how many rows each table has that has any."""
    with sqlite3.connect(folder / "interlock.db") as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for (name,) in names
        }
    connection.close()
    return {name: number for name, number in found.items() if number}


def test_programs_get_a_row_for_each_scope(shell: Shell) -> None:
    """Every scope holds what it must, and both ways and each statement were timed."""
    done = shell.run(*FEW, "--json")
    assert done.code == 0, done.err
    thread, day, team, whole = rows = done.data["rows"]
    assert [row["scope"] for row in rows] == SCOPES
    assert 0 < thread["holds"] < team["holds"] < whole["holds"] == whole["handoffs"]
    assert 0 < day["holds"] < whole["holds"]
    for row in rows:
        assert row["times"]["median"] > 0
        assert row["queries_ms"].keys() >= {"steps", "edges", "stages", "escapes"}
    assert done.data["aims"]["hold"] is True
    assert len(re.findall(r"^  sqlite  \d+ handoffs  .* s$", done.err, re.MULTILINE)) == 5


@pytest.mark.slow
def test_people_get_tables_that_fit_a_terminal(shell: Shell) -> None:
    """The tables explain themselves in 80 columns; what is too much is not read one by one."""
    done = shell.run(*FEW, "--most-read", "100")
    require_clean(done.out)
    lines = done.out.splitlines()
    assert max(map(len, lines)) < 80
    assert [line[2:].split("  ")[0] for line in lines[2:6]] == SCOPES
    assert " x " in lines[2]
    assert " x " not in lines[5]


def test_figures_of_ways_that_disagree_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed is the same work: both ways find the same attempts."""

    async def count_none(*_: object) -> int:
        return 0

    monkeypatch.setattr(bench, "_LEAST_TEMPLATES", 1)
    monkeypatch.setattr(bench, "count_by_reading", count_none)
    plan = bench.MetricPlan(
        places=[parse_place("sqlite")], handoffs=[200], rounds=1, most_read=10_000
    )
    with pytest.raises(il.ContractError, match="reading found 0"):
        bench.measure_metrics(plan, tell=lambda *_: None)


@pytest.mark.parametrize("options", [["--handoffs", "many"], ["--storage", "memory"]])
def test_what_cannot_be_measured_is_refused(shell: Shell, options: list[str]) -> None:
    """What was given is named, with what to write instead."""
    done = shell.call("bench", "metrics", *options)
    assert (done.code, done.out) == (2, "")
    assert options[1] in done.err


@pytest.mark.slow
def test_on_postgresql_nothing_is_left_behind(
    shell: Shell, postgres: PostgresServer, postgres_url: str
) -> None:
    """A real server counts the same journal, and its schemas are gone afterwards."""
    done = shell.run(*FEW, "--storage", postgres_url, "--json")
    assert done.code == 0, done.err
    assert [row["scope"] for row in done.data["rows"]] == SCOPES
    assert "canary-pass-word" not in done.out + done.err
    with postgres.connect() as connection:
        left = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'interlock_bench%'"
        ).fetchall()
    assert left == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_million_handoffs_are_counted_in_seconds(shell: Shell) -> None:
    """One thread of a million handoffs takes no longer than of few, and all of them no minute."""
    done = shell.run(
        *("bench", "metrics", "--handoffs", "2000,1000000", "--rounds", "3", "--json"),
        *("--most-read", "0"),
    )
    assert done.code == 0, done.err
    few, many = (row for row in done.data["rows"] if row["scope"] == "one thread")
    assert many["handoffs"] > 900_000
    assert many["metrics_ms"]["low"] < 5 * few["metrics_ms"]["median"]
