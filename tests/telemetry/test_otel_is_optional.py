"""Without OpenTelemetry nothing is missing; with it and no provider nothing is recorded or stored."""

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import interlock as il
from interlock.cli.otel import watch
from interlock.contracts.ids import ThreadId
from interlock.telemetry.spans import SILENT, SILENT_SPAN, Telemetry
from tests.telemetry.traces import Watched

RUN = """
import asyncio, sys
import interlock as il

async def work(brief):
    return 1

async def main():
    plan = il.TaskGraph(goal="g", steps=[il.Step(id="s", worker="work", instruction="x")])
    workers = [il.Worker(name="work", agent=work)]
    async with il.Orchestrator(workers=workers, planner=plan, storage="memory://") as desk:
        print((await desk.ainvoke("g", thread_id="t")).status)
"""


def run_python(code: str) -> str:
    """Return what a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_without_the_api_runs_run_and_its_name_says_what_to_install() -> None:
    """Where OpenTelemetry is not installed, only `il.OpenTelemetry` asks for it."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        + RUN
        + "asyncio.run(main())\n"
        + "try: il.OpenTelemetry\nexcept il.ConfigurationError as exc: print(exc)\n"
    )
    status, words = run_python(code).splitlines()
    assert status == "completed"
    assert "pip install 'interlock[otel]'" in words


def build_desk(telemetry: Telemetry | None) -> il.Orchestrator:
    """Return a team of one step."""

    async def work(brief: il.Brief) -> int:
        return 1

    return il.Orchestrator(
        workers=[il.Worker(name="work", agent=work)],
        planner=il.TaskGraph(
            goal="g", steps=[il.Step(id="s", worker="work", instruction="x", approval="true")]
        ),
        storage="memory://",
        telemetry=telemetry,
    )


async def test_without_a_provider_nothing_is_stored() -> None:
    """The API alone records nothing, and handoffs have no trace."""
    silent = il.OpenTelemetry(
        tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider()
    )
    async with build_desk(silent) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        answers = {question.id: il.approve() for question in result.questions}
        assert (await desk.aanswer("t", answers)).status == "completed"
        assert {handoff.trace_id for handoff in await desk.ahandoffs("t")} == {None}


async def test_a_team_that_nobody_watches_opens_nothing() -> None:
    """The silent telemetry hands out one span that does nothing, and hears of no event."""
    assert SILENT.open("step", "s", facts={"thread": "t"}) is SILENT_SPAN
    assert not SILENT.is_on
    assert isinstance(SILENT, Telemetry)
    async with build_desk(None) as desk:
        assert not desk._team.is_heard(ThreadId("t"))


def test_a_command_keeps_the_teams_own_telemetry() -> None:
    """`--otel` sets up what is global, and does not take the place of what a team declares."""
    watched = Watched()
    provider = trace.get_tracer_provider()
    desk = build_desk(watched.build())
    settings = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "get_tracer_provider", lambda: watched.tracers)
        assert watch(desk, settings) is desk
        assert watch(build_desk(None), settings).telemetry is not None
    assert trace.get_tracer_provider() is provider


def test_an_exporter_that_is_not_there_is_named() -> None:
    """`--otel` with an unknown exporter says which there are, and starts nothing."""
    settings = {"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_METRICS_EXPORTER": "none"}
    with pytest.raises(
        il.ConfigurationError, match=r"'zipkin', which is not installed\. Installed:"
    ):
        watch(build_desk(None), settings)
