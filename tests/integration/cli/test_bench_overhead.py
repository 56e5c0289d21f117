"""`interlock bench overhead`: what journal and telemetry cost a step, each on top of the last."""

import re
from importlib.util import find_spec
from urllib.request import Request, urlopen

import pytest

import interlock as il
from interlock.bench import overhead as bench
from interlock.bench import overhead_contenders
from interlock.bench.bench_databases import BenchDatabase, parse_place
from interlock.bench.otlp_sink import lend_sink
from interlock.bench.overhead_contenders import CONTENDERS, OURS
from interlock.bench.stopwatch import Elapsed, Stopwatch
from tests.integration.cli.shell import Shell, require_clean
from tests.postgres.postgres_server import PostgresServer

NAMES = ["bare @task", "interlock", "+ events heard", "+ spans in memory", "+ spans over OTLP"]
FEW = ("bench", "overhead", "--steps", "6", "--rounds", "1")


@pytest.mark.slow
def test_programs_get_a_row_for_each_contender(shell: Shell) -> None:
    """All do the same steps; what is added is counted from interlock with its journal alone."""
    done = shell.run(*FEW, "--json")
    assert done.code == 0, done.err
    rows = done.data["rows"]
    assert [row["contender"] for row in rows] == NAMES
    for row in rows:
        assert (row["storage"], row["steps"]) == ("sqlite", 6)
        assert 0 < row["cpu_ms"]["low"] <= row["cpu_ms"]["median"] <= row["cpu_ms"]["high"]
    assert rows[0]["of_bare"]["median"] == 1
    assert rows[1]["added_cpu_ms"] == {"median": 0, "low": 0, "high": 0}
    for row in rows[2:]:
        added = row["cpu_ms"]["median"] - rows[1]["cpu_ms"]["median"]
        assert row["added_cpu_ms"]["median"] == pytest.approx(added)
    assert len(re.findall(r"^  round 1/1  sqlite  .* s$", done.err, re.MULTILINE)) == 5


@pytest.mark.slow
def test_people_get_a_table_that_fits_a_terminal(shell: Shell) -> None:
    """The table explains itself in 90 columns."""
    done = shell.run(*FEW)
    require_clean(done.out)
    lines = done.out.splitlines()
    assert max(map(len, lines)) < 90
    assert [line.strip().split("  ")[0] for line in lines[2:7]] == NAMES


def test_spans_and_events_are_there_to_be_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry that is timed has seen every step: it is on where it says so."""
    seen: list[str] = []

    class Counting:
        def __init__(self, **options: object) -> None:
            del options
            from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
                InMemorySpanExporter,
            )

            self.real = InMemorySpanExporter()

        def export(self, spans: list[object]) -> object:
            seen.extend(span.name for span in spans)  # type: ignore[attr-defined]
            return self.real.export(spans)  # type: ignore[arg-type]

        def shutdown(self) -> None:
            self.real.shutdown()

        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

    monkeypatch.setattr(
        "opentelemetry.exporter.otlp.proto.http.trace_exporter.OTLPSpanExporter", Counting
    )
    monkeypatch.setattr(bench, "_WARM_STEPS", 3)
    contenders = {name: CONTENDERS[name] for name in (NAMES[0], OURS, NAMES[4])}
    monkeypatch.setattr(bench, "CONTENDERS", contenders)
    plan = bench.OverheadPlan(places=[parse_place("sqlite")], steps=4, rounds=1)
    rows = bench.measure_overhead(plan, tell=lambda *_: None)
    assert [row.contender for row in rows] == list(contenders)
    assert sum(name.startswith("step") for name in seen) == 3 + 4, seen


def test_the_sink_takes_what_it_is_sent() -> None:
    """An export is read to its end and answered, more than once on one address."""
    with lend_sink() as address:
        for body in (b"", b"spans" * 1000):
            request = Request(f"{address}/v1/traces", data=body, method="POST")
            with urlopen(request, timeout=10) as answer:
                assert answer.status == 200


def test_figures_of_a_contender_that_did_other_work_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever does not do the steps is not timed."""

    async def cheat(database: BenchDatabase, steps: int, limit: object) -> Elapsed:
        del database, steps, limit
        return Stopwatch().read()

    monkeypatch.setattr(overhead_contenders, "tasks_stock", cheat)
    plan = bench.OverheadPlan(places=[parse_place("sqlite")], steps=3, rounds=1)
    with pytest.raises(il.ContractError, match="bare @task did 0 steps where 5"):
        bench.measure_overhead(plan, tell=lambda *_: None)


def test_a_missing_exporter_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured before it is known that spans can be exported."""
    monkeypatch.setattr(
        overhead_contenders,
        "find_spec",
        lambda name: None if "otlp" in name else find_spec(name),
    )
    plan = bench.OverheadPlan(places=[parse_place("sqlite")], steps=3, rounds=1)
    with pytest.raises(il.ConfigurationError, match=r"otlp.*interlock\[bench\]"):
        bench.measure_overhead(plan, tell=lambda *_: None)


@pytest.mark.slow
def test_on_postgresql_nothing_is_left_behind(
    shell: Shell, postgres: PostgresServer, postgres_url: str
) -> None:
    """Every contender runs beside a real server, and all schemas are gone afterwards."""
    done = shell.run(*FEW, "--storage", postgres_url, "--json")
    assert done.code == 0, done.err
    assert [row["contender"] for row in done.data["rows"]] == NAMES
    assert "canary-pass-word" not in done.out + done.err
    with postgres.connect() as connection:
        left = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'interlock_bench%'"
        ).fetchall()
    assert left == []
