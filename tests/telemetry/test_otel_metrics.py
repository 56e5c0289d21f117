"""Metrics: what a run adds to the instruments, and what a real Prometheus endpoint says of it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import REGISTRY, start_http_server
from prometheus_client.parser import text_string_to_metric_families

import interlock as il
from interlock.testing import ManualClock, ScriptedModel
from tests.telemetry.traces import Watched, read


@il.idempotent(effect="write")
async def book(seat: str, *, key: il.IdempotencyKey) -> str:
    """Book a seat."""
    return seat


def build_desk(telemetry: Any, clock: ManualClock) -> il.Orchestrator:
    """Return a team whose run has a retry, an effect with a duplicate, a model, a judge's finding and a question."""

    async def travel(brief: il.Brief) -> dict[str, object]:
        await ScriptedModel("hello", model_name="small-1").ainvoke("Plan my trip")
        await book("1A")
        await clock.sleep(2)
        if brief.attempt == 1:
            raise ConnectionError("no line")
        return {"seat": "1A"}

    async def bill(brief: il.Brief) -> dict[str, object]:
        return {"cents": 100}

    steps = [
        {
            "id": "travel",
            "worker": "travel",
            "criteria": [il.expr("output.seat == '1A'")],
            "retry": {"max_attempts": 2, "backoff": 0},
        },
        {"id": "bill", "worker": "bill", "needs": ["travel"], "approval": "true"},
    ]
    return il.Orchestrator(
        workers=[il.Worker(name="travel", agent=travel), il.Worker(name="bill", agent=bill)],
        planner=il.TaskGraph(
            goal="g",
            steps=[il.Step.model_validate({"instruction": "Do it", **one}) for one in steps],
        ),
        policy=il.RunPolicy(prices={"small-1": il.Price(input=Decimal(100), output=Decimal(200))}),
        storage="memory://",
        telemetry=telemetry,
        clock=clock,
        name="trips",
    )


async def run(telemetry: Any) -> None:
    """Run the team to its question, and answer it 90 seconds later."""
    clock = ManualClock(auto=True)
    async with build_desk(telemetry, clock) as desk:
        asked = await desk.ainvoke("g", thread_id="secret-thread")
        clock.advance(90)
        answers = {question.id: il.approve() for question in asked.questions}
        assert (await desk.aanswer("secret-thread", answers)).status == "completed"


async def test_instruments_count_what_happened() -> None:
    """Attempts, verdicts, findings, steps, tokens, money, effects, questions: each as the run had it."""
    watched = Watched()
    await run(watched.build())
    points = watched.read_points()

    def count(name: str, **labels: object) -> float | None:
        return points.get((name, frozenset((k.replace("__", "."), v) for k, v in labels.items())))

    worker, verdict = "interlock__worker", "interlock__verdict"
    failed = {worker: "travel", verdict: "retry", "error__type": "ConnectionError"}
    assert count("interlock.attempts", **failed) == 1
    assert count("interlock.attempts", **{worker: "travel", verdict: "accept"}) == 1
    assert count("interlock.attempts", **{worker: "bill", verdict: "accept"}) == 1
    kind, result = "interlock__criterion.kind", "interlock__result"
    assert count("interlock.findings", **{kind: "expr", result: "passed"}) == 1
    assert count("interlock.steps", interlock__status="accepted") == 2
    assert count("interlock.steps", interlock__status="waiting") == 1
    assert count("interlock.plans", interlock__result="accepted") == 1
    assert count("interlock.questions.asked", **{"interlock__question.kind": "before_step"}) == 1
    assert count("interlock.questions.answered") == 1
    assert count("interlock.runs.active") == 0
    effect = {"gen_ai__tool.name": "book", "interlock__effect.state": "done"}
    assert count("interlock.effects", **effect, **{"interlock__effect.duplicate": False}) == 1
    assert count("interlock.effects", **effect, **{"interlock__effect.duplicate": True}) == 1
    model = {"gen_ai__request.model": "small-1", "gen_ai__operation.name": "chat"}
    model["gen_ai__provider.name"] = "scriptedmodel"
    assert count("gen_ai.client.operation.duration", **model) == 2
    assert count("gen_ai.client.token.usage", **model, **{"gen_ai__token.type": "input"}) == 2
    spent = count("interlock.money", **model, interlock__role="worker")
    assert spent is not None
    # Two calls of 10 tokens in and 5 out, at 100 and 200 for a million.
    assert round(spent, 9) == 2 * (10 * 100 + 5 * 200) / 1_000_000


async def test_no_label_is_of_a_run() -> None:
    """No thread, step or question is in any label: labels are names that code declares."""
    watched = Watched()
    await run(watched.build())
    labels = {(key, value) for (_, point) in watched.read_points() for key, value in point}
    assert not [pair for pair in labels if "secret-thread" in str(pair)]
    assert not [key for key, _ in labels if key.startswith(("interlock.thread", "interlock.step"))]
    assert not [key for key, _ in labels if key.startswith("interlock.question.id")]


async def test_a_call_that_was_refused_is_no_operation() -> None:
    """A model call that a budget does not allow is a span with the refusal, and no measured operation."""
    watched = Watched()

    async def work(brief: il.Brief) -> str:
        return str(await ScriptedModel("hello").ainvoke("A question of some length"))

    desk = il.Orchestrator(
        workers=[il.Worker(name="work", agent=work)],
        planner=il.TaskGraph(goal="g", steps=[il.Step(id="s", worker="work", instruction="Do it")]),
        policy=il.RunPolicy(budget=il.Budget(tokens=1)),
        storage="memory://",
        telemetry=watched.build(),
    )
    async with desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "failed"
    assert read(watched.find("chat scripted"))["error.type"] == "BudgetExhaustedError"
    measured = {name for name, _ in watched.read_points()}
    assert "gen_ai.client.operation.duration" not in measured
    assert "gen_ai.invoke_agent.duration" in measured


@contextmanager
def open_endpoint() -> Iterator[tuple[MeterProvider, str]]:
    """Serve a meter provider's metrics over HTTP on loopback, as docs/opentelemetry.md does."""
    reader = PrometheusMetricReader()
    meters = MeterProvider(metric_readers=[reader])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server, thread = start_http_server(port, addr="127.0.0.1", registry=REGISTRY)
    try:
        yield meters, f"http://127.0.0.1:{port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        meters.shutdown()


async def test_a_prometheus_endpoint_says_it_over_http() -> None:
    """Scraped and parsed as Prometheus does it: latencies by stage, and the time to answer."""
    with open_endpoint() as (meters, url):
        await run(il.OpenTelemetry(tracer_provider=NoOpTracerProvider(), meter_provider=meters))
        async with httpx.AsyncClient() as client:
            page = (await client.get(url)).text
    samples = {
        (
            sample.name,
            sample.labels.get("interlock_stage"),
            sample.labels.get("interlock_worker"),
        ): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("interlock_")
    }
    assert samples["interlock_handoff_duration_seconds_count", "work", "travel"] == 2
    assert samples["interlock_handoff_duration_seconds_sum", "work", "travel"] == 4
    assert samples["interlock_answer_duration_seconds_sum", None, None] == 90
    assert samples["interlock_questions_answered_total", None, None] == 1
    stages = {
        stage for name, stage, _ in samples if name == "interlock_handoff_duration_seconds_count"
    }
    assert stages == {"queue", "brief", "work", "review", "promotion"}
