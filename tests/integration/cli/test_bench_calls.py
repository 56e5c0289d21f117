"""`interlock bench calls`: what a call costs that is written down first, beside plain LangGraph."""

import re

import pytest

import interlock as il
from interlock.bench import call_contenders
from interlock.bench import model_calls as bench
from interlock.bench.call_contenders import CONTENDERS, CallDatabase, ModelCallPlan
from interlock.bench.stopwatch import Elapsed, Stopwatch
from tests.integration.cli.shell import Shell, require_clean
from tests.postgres.postgres_server import PostgresServer

NAMES = ["LangGraph node", "LangGraph @task", "interlock step"]
FEW = ("bench", "calls", "--calls", "6", "--at-once", "3", "--rounds", "1")


def _measure_few() -> list[bench.CallRow]:
    few = bench.CallBench(
        places=[bench.parse_call_place("memory")], calls=3, at_once=(1,), model_seconds=0, rounds=1
    )
    return bench.measure_calls(few, tell=lambda *_: None)


def test_programs_get_a_row_for_each_contender_on_each_storage(shell: Shell) -> None:
    """Memory and a SQLite file are measured, in a row and at once, beside the same round's node."""
    done = shell.run(*FEW, "--model-ms", "2", "--json")
    assert done.code == 0, done.err
    rows = done.data["rows"]
    assert [(row["storage"], row["at_once"], row["contender"]) for row in rows] == [
        (storage, at_once, name)
        for storage in ("memory", "sqlite")
        for at_once in (1, 3)
        for name in NAMES
    ]
    assert done.data["model_ms"] == 2
    for row in rows:
        assert row["wall_ms"]["low"] >= (2 if row["at_once"] == 1 else 2 / 3)
        assert row["cpu_ms"]["median"] > 0
        if row["contender"] == "LangGraph node":
            assert row["added_ms"] == {"median": 0, "low": 0, "high": 0}
            assert row["of_plain"] == {"median": 1, "low": 1, "high": 1}
    assert len(re.findall(r"^  (?:memory|sqlite)  .* s$", done.err, re.MULTILINE)) == 12


@pytest.mark.slow
def test_people_get_a_table_that_fits_a_terminal(shell: Shell) -> None:
    """The table explains itself in 80 columns, and nothing but it goes to stdout."""
    done = shell.run(*FEW, "--model-ms", "0", "--storage", "memory")
    require_clean(done.out)
    lines = done.out.splitlines()
    assert max(map(len, lines)) < 80
    assert re.split(r" {2,}", lines[0]) == ["CALLS", "WALL MS", "ADDED MS", "OF NODE", "CPU MS"]
    assert lines[1].strip() == "memory, one after another"
    assert [line.strip().split("  ")[0] for line in lines[2:5]] == NAMES


@pytest.mark.parametrize(
    "option", [["--calls", "0"], ["--at-once", "1"], ["--storage", "memory://"]]
)
def test_what_cannot_be_measured_is_refused(shell: Shell, option: list[str]) -> None:
    """A number that makes no sense, or a storage that nobody knows, is a usage error."""
    assert shell.run("bench", "calls", *option).code == 2


def test_figures_of_a_contender_that_made_other_calls_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever does not do the work is not timed."""

    async def cheat(plan: ModelCallPlan, database: CallDatabase) -> Elapsed:
        return Stopwatch().read()

    monkeypatch.setattr(bench, "CONTENDERS", {**CONTENDERS, "LangGraph @task": cheat})
    with pytest.raises(il.ContractError, match="LangGraph @task made 0 calls where 3"):
        _measure_few()


def test_figures_of_calls_that_no_book_has_seen_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is timed of interlock went through its gate: the run counted each call and token."""

    async def pass_by(plan: ModelCallPlan, call: object) -> Elapsed:
        for _ in range(plan.calls):
            await plan.model._agenerate([])
        return Stopwatch().read()

    monkeypatch.setattr(call_contenders, "_time_calls", pass_by)
    with pytest.raises(il.ContractError, match=r"counted \(0, 0, 0\) .* \(3, 36, 9\)"):
        _measure_few()


@pytest.mark.slow
def test_on_postgresql_nothing_is_left_behind(
    shell: Shell, postgres: PostgresServer, postgres_url: str
) -> None:
    """Every contender calls beside a real server, and all schemas are gone afterwards."""
    done = shell.run(*FEW, "--storage", postgres_url, "--model-ms", "0", "--json")
    assert done.code == 0, done.err
    assert [row["contender"] for row in done.data["rows"]] == NAMES * 2
    assert "canary-pass-word" not in done.out + done.err
    with postgres.connect() as connection:
        left = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'interlock_bench%'"
        ).fetchall()
    assert left == []
