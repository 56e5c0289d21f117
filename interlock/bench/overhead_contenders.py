"""What runs the same steps in the benchmark of overhead: LangGraph, and interlock with more and more on.

Every step gives 1 KB, needs two others and has one criterion. LangGraph's bare `@task` stores what its
tasks give, and knows no needs, no criteria and no journal.
"""

import math
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Final

from interlock.bench.bench_databases import BenchDatabase
from interlock.bench.otlp_sink import lend_sink
from interlock.bench.stopwatch import Elapsed, Stopwatch
from interlock.bench.storage_loads import Limit, build_layers, derive_text, tasks_stock
from interlock.contracts.brief import Brief
from interlock.contracts.criteria import expr
from interlock.contracts.errors import ConfigurationError, ContractError
from interlock.contracts.ids import WorkerName
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator
from interlock.telemetry.spans import Telemetry

_THREAD: Final = "bench"

Flush = Callable[[], object]
OverheadContender = Callable[[BenchDatabase, int], Coroutine[Any, Any, Elapsed]]
"""Runs so many steps on an empty database."""


def require_exporters() -> None:
    """Refuse before anything is measured if what exports spans is missing.

    Raises:
        ConfigurationError: It is not installed.
    """
    for module in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        if not _is_installed(module):
            raise ConfigurationError(
                f"The benchmark exports spans, and {module} is not installed. Type: pip install "
                "'interlock[bench]'"
            )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


async def run_bare(database: BenchDatabase, steps: int) -> Elapsed:
    """Run as many bare `@task`s on LangGraph's own saver."""
    limit = Limit(math.inf, math.inf)
    elapsed = await tasks_stock(database, steps, limit)
    _require(limit.count, steps, BARE)
    return elapsed


async def run_journal(database: BenchDatabase, steps: int) -> Elapsed:
    """Run the plan as it comes: journal, checkpoints and all that metrics are counted from."""
    return await _run_team(database, steps)


async def run_streamed(database: BenchDatabase, steps: int) -> Elapsed:
    """Run the plan with somebody who listens to every event."""
    return await _run_team(database, steps, is_heard=True)


async def run_in_memory(database: BenchDatabase, steps: int) -> Elapsed:
    """Run the plan with spans and instruments, which are kept in memory."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: PLC0415 - optional
        InMemorySpanExporter,
    )

    with _open_telemetry(InMemorySpanExporter()) as (telemetry, flush):
        return await _run_team(database, steps, telemetry=telemetry, flush=flush)


async def run_exported(database: BenchDatabase, steps: int) -> Elapsed:
    """Run the plan with spans that are sent over OTLP to a server on loopback, and instruments."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - optional
        OTLPSpanExporter,
    )

    with lend_sink() as address:
        exporter = OTLPSpanExporter(endpoint=f"{address}/v1/traces")
        with _open_telemetry(exporter) as (telemetry, flush):
            return await _run_team(database, steps, telemetry=telemetry, flush=flush)


@contextmanager
def _open_telemetry(exporter: Any) -> Iterator[tuple[Telemetry, Flush]]:  # noqa: ANN401 - optional
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - optional
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415 - optional
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - optional
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - optional

    from interlock.telemetry.tracing.open_telemetry import OpenTelemetry  # noqa: PLC0415 - optional

    tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    tracers.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=1 << 16))
    try:
        yield OpenTelemetry(tracer_provider=tracers, meter_provider=meters), tracers.force_flush
    finally:
        tracers.shutdown()
        meters.shutdown()


async def _run_team(
    database: BenchDatabase,
    steps: int,
    *,
    telemetry: Telemetry | None = None,
    is_heard: bool = False,
    flush: Flush | None = None,
) -> Elapsed:
    done = 0

    async def work(brief: Brief) -> dict[str, str]:
        nonlocal done
        done += 1
        return {"text": derive_text(int(brief.step_id.removeprefix("s")))}

    async with (
        database.open_ours() as storage,
        Orchestrator(
            workers=[Worker(name=WorkerName("work"), agent=work)],
            planner=build_layers(steps, criteria=(expr("size(output.text) == 1024"),)),
            storage=storage,
            telemetry=telemetry,
        ) as team,
    ):
        stopwatch = Stopwatch()
        if is_heard:
            await _listen(team.astream("bench", thread_id=_THREAD))
        else:
            await team.ainvoke("bench", thread_id=_THREAD)
        if flush is not None:
            flush()
        elapsed = stopwatch.read()
        status = (await team.astatus(_THREAD)).status
    _require(done if status == "completed" else 0, steps, OURS)
    return elapsed


async def _listen(events: AsyncIterator[object]) -> None:
    async for _ in events:
        pass


def _require(done: int, steps: int, who: str) -> None:
    if done != steps:
        raise ContractError(
            f"{who} did {done} steps where {steps} were asked for. Its figures mean nothing; "
            "report this."
        )


BARE: Final = "bare @task"
OURS: Final = "interlock"

CONTENDERS: Final[Mapping[str, OverheadContender]] = {
    BARE: run_bare,
    OURS: run_journal,
    "+ events heard": run_streamed,
    "+ spans in memory": run_in_memory,
    "+ spans over OTLP": run_exported,
}
"""In the order in which they take turns in the first round; in every second one, the other way round."""
