"""`interlock bench storage`: our storage beside LangGraph's own savers, on the same graphs."""

import re
from importlib.util import find_spec

import pytest

import interlock as il
from interlock.bench import storage as bench
from interlock.bench.bench_databases import BenchDatabase, parse_place
from interlock.bench.figures import derive_figure
from interlock.bench.stopwatch import Elapsed, Stopwatch
from interlock.bench.storage_loads import CONTENDERS, Limit, derive_text
from tests.integration.cli.shell import Shell, require_clean
from tests.postgres.postgres_server import PostgresServer

FEW = ("bench", "storage", "--steps", "3,7", "--rounds", "2")
NAMES = {
    "append": ["interlock", "stock saver"],
    "plan": ["interlock", "stock saver", "bare @task"],
}


@pytest.mark.slow
def test_programs_get_a_row_for_each_contender_and_number_of_steps(shell: Shell) -> None:
    """Every row has medians within ranges, and shares of the stock saver where there are any."""
    done = shell.run(*FEW, "--json")
    assert done.code == 0, done.err
    rows = done.data["rows"]
    assert [(row["load"], row["steps"], row["contender"]) for row in rows] == [
        (load, steps, name) for load in NAMES for steps in (3, 7) for name in NAMES[load]
    ]
    for row in rows:
        assert (row["storage"], row["done"]) == ("sqlite", row["steps"])
        for figure in ("cpu_ms", "wall_ms", "bytes"):
            assert (
                (-1 if figure == "bytes" else 0)
                < row[figure]["low"]
                <= row[figure]["median"]
                <= row[figure]["high"]
            )
        shares = (row["cpu_of_stock"], row["bytes_of_stock"])
        assert (shares == (None, None)) == (row["contender"] == "stock saver")
    assert done.data["concurrency"] == []
    assert done.data["rounds"] == 2
    assert len(re.findall(r"^  round [12]/2  sqlite  .* s$", done.err, re.MULTILINE)) == 20


@pytest.mark.slow
def test_people_get_tables_that_fit_a_terminal(shell: Shell) -> None:
    """The tables explain themselves in 80 columns and tell what PostgreSQL needs."""
    done = shell.run("bench", "storage", "--steps", "4", "--rounds", "1")
    require_clean(done.out)
    lines = done.out.splitlines()
    assert max(map(len, lines)) < 80
    assert [line.split("  ")[0].strip() for line in lines if line.startswith(" ")][:5] == [
        *NAMES["append"],
        *NAMES["plan"],
    ]
    assert lines[-1] == "For PostgreSQL: --storage postgresql://user@host/database"


@pytest.mark.slow
def test_on_postgresql_nothing_is_left_behind(
    shell: Shell, postgres: PostgresServer, postgres_url: str
) -> None:
    """Both databases are measured in one call, runs share one of them, and all schemas are gone."""
    storages = ("--storage", "sqlite", "--storage", postgres_url)
    few = ("bench", "storage", "--steps", "3", "--rounds", "1", "--runs", "2")
    done = shell.run(*few, *storages, "--json")
    assert done.code == 0, done.err
    kinds = [row["storage"].partition(":")[0] for row in done.data["rows"]]
    assert kinds == ["sqlite"] * 5 + ["postgresql"] * 5
    paces = [(row["at_once"], row["contender"]) for row in done.data["concurrency"]]
    names = ("interlock", "stock saver, shared", "stock saver for each run")
    assert paces == [(at_once, name) for at_once in (1, 4, 16) for name in names]
    assert all(row["runs_a_second"]["median"] > 0 for row in done.data["concurrency"])
    assert "canary-pass-word" not in done.out + done.err
    with postgres.connect() as connection:
        left = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'interlock_bench%'"
        ).fetchall()
    assert left == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "load"),
    [
        (("--most-megabytes", "0.3", "--most-seconds", "9"), "append"),
        (("--most-seconds", "1.5"), "plan"),
    ],
)
def test_what_comes_to_a_limit_says_how_far_it_came(
    shell: Shell, limit: tuple[str, str], load: str
) -> None:
    """Figures of a measurement that was stopped are of the steps done, and are no share."""
    done = shell.run("bench", "storage", "--steps", "3000", "--rounds", "1", *limit, "--json")
    assert done.code == 0, done.err
    (row,) = (
        row for row in done.data["rows"] if (row["load"], row["contender"]) == (load, "stock saver")
    )
    assert 0 < row["done"] < 3000
    assert f"{load} 3,000, stopped at {row['done']:,}  stock saver" in done.err
    (ours,) = (
        row for row in done.data["rows"] if (row["load"], row["contender"]) == (load, "interlock")
    )
    assert ours["cpu_of_stock"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "ten"], "--steps 'ten' are no numbers of steps"),
        (["--steps", "0"], "--steps '0' are no numbers of steps"),
        (["--storage", "sqlite:///mine.db"], "cannot use the storage 'sqlite:///mine.db'"),
        (["--storage", "memory"], "cannot use the storage 'memory'"),
        (
            ["--storage", "postgresql://me:canary@127.0.0.1:1/x"],
            "PostgreSQL cannot be reached at postgresql://me:***@127.0.0.1:1/x: ",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(shell: Shell, options: list[str], words: str) -> None:
    """What was given is named, with what to write instead, and no password is shown."""
    done = shell.call("bench", "storage", *options)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "canary" not in done.err


def test_a_missing_saver_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured before it is known that all savers are installed."""
    monkeypatch.setattr(
        "interlock.bench.stock_savers.find_spec",
        lambda name: None if "postgres" in name else find_spec(name),
    )
    parse_place("sqlite")
    with pytest.raises(il.ConfigurationError, match=r"PostgreSQL saver.*interlock\[bench\]"):
        parse_place("postgresql://user@host/database")


def test_figures_of_a_contender_that_did_other_work_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever does not do the steps is not timed."""

    async def cheat(database: BenchDatabase, steps: int, limit: Limit) -> Elapsed:
        return Stopwatch().read()

    contenders = {**CONTENDERS, "append": {**CONTENDERS["append"], "interlock": cheat}}
    monkeypatch.setattr(bench, "CONTENDERS", contenders)
    plan = bench.StoragePlan(
        places=[parse_place("sqlite")], steps=[3], rounds=1, most_seconds=9, most_bytes=1e9
    )
    with pytest.raises(il.ContractError, match="0 steps were done where"):
        bench.measure_storage(plan, tell=lambda _: None)


def test_a_figure_is_the_median_within_its_range() -> None:
    """The middle of what the rounds gave, and the least and the greatest."""
    figure = derive_figure([3.0, 1.0, 2.0])
    assert (figure.low, figure.median, figure.high) == (1.0, 2.0, 3.0)


def test_texts_are_of_one_size_and_all_different() -> None:
    """What is appended is 1 KB that does not repeat, so no database stores it in less."""
    texts = {derive_text(number) for number in range(-10, 100)}
    assert len(texts) == 110
    assert {len(text) for text in texts} == {1024}
