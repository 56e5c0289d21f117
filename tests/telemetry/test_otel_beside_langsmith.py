"""LangSmith's users keep their traces: its tracer sees the same runs with telemetry as without."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_core.tracers.context import tracing_v2_enabled
from langsmith import Client

import interlock as il
from interlock.testing import ModelReply, ScriptedModel
from tests.telemetry.traces import Watched


class Collected:
    """What was posted to a LangSmith that runs on loopback."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []


@contextmanager
def open_langsmith() -> Iterator[tuple[str, Collected]]:
    """Serve as much of LangSmith's API as its client asks for."""
    collected = Collected()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({"batch_ingest_config": {"use_multipart_endpoint": False}})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            collected.bodies.append(body)
            self._reply({})

        def do_PATCH(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self._reply({})

        def _reply(self, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", collected
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@tool
def look(place: str) -> str:
    """Look."""
    return place


async def trace(telemetry: Any) -> list[tuple[str, str]]:
    """Return type and name of every run that LangSmith was told of during one of ours."""
    model = ScriptedModel(ModelReply(tool_calls=[("look", {"place": "a"})]), "done")
    plan = il.TaskGraph(goal="g", steps=[il.Step(id="s", worker="scout", instruction="Look")])
    desk = il.Orchestrator(
        workers=[il.Worker(name="scout", agent=create_agent(model, tools=[look]))],
        planner=plan,
        storage="memory://",
        telemetry=telemetry,
    )
    with open_langsmith() as (url, collected):
        client = Client(api_url=url, api_key="none", auto_batch_tracing=False)
        with tracing_v2_enabled(project_name="p", client=client):
            async with desk:
                assert (await desk.ainvoke("g", thread_id="t")).status == "completed"
    posted = [json.loads(body) for body in collected.bodies]
    return sorted((run["run_type"], run["name"]) for run in posted)


async def test_langsmith_sees_the_same_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client posts the same chains, models and tools, whether or not OpenTelemetry watches."""
    monkeypatch.delenv("LANGSMITH_TRACING", raising=False)
    watched = Watched()
    without, with_it = await trace(None), await trace(watched.build())
    assert ("llm", "ScriptedModel") in without
    assert ("tool", "look") in without
    assert with_it == without
    assert len(watched.find_all("chat scripted")) == 2
