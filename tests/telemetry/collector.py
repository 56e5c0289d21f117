"""A real collector process, and behind it a receiver that reads OTLP's own messages."""

import gzip
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_PATIENCE = 20.0


@dataclass
class Received:
    """What arrived, by the kind of its message."""

    spans: list[Span] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)

    def find(self, name: str) -> list[Span]:
        """Return the spans of a name, in the order of their starts."""
        found = [span for span in self.spans if span.name == name]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def take_spans(self, body: bytes) -> None:
        """Read what an exporter sends to /v1/traces."""
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            told = resource.resource.attributes
            self.resources.append({one.key: one.value.string_value for one in told})
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def take_metrics(self, body: bytes) -> None:
        """Read what an exporter sends to /v1/metrics."""
        request = ExportMetricsServiceRequest.FromString(body)
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics += scope.metrics


@contextmanager
def open_receiver() -> Iterator[tuple[int, Received]]:
    """Receive OTLP over HTTP on loopback; gives its port."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                received.take_spans(body)
                reply = ExportTraceServiceResponse().SerializeToString()
            else:
                received.take_metrics(body)
                reply = ExportMetricsServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port, received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def open_collector(folder: Path) -> Iterator[tuple[str, Received]]:
    """Run rotel, an OTLP collector, in front of a receiver; gives the collector's URL.

    It is in the dev extra for Linux; elsewhere the test is skipped out loud.
    """
    spec = find_spec("rotel")
    if spec is None or spec.origin is None:
        pytest.skip("rotel, the OTLP collector, is not installed here")
    program = Path(spec.origin).with_name("rotel-agent")
    http, grpc = _find_port(), _find_port()
    with open_receiver() as (port, received):
        options = {
            "otlp-http-endpoint": f"127.0.0.1:{http}",
            "otlp-grpc-endpoint": f"127.0.0.1:{grpc}",
            "exporter": "otlp",
            "otlp-exporter-endpoint": f"http://127.0.0.1:{port}",
            "otlp-exporter-protocol": "http",
            "batch-timeout": "20ms",
            "pid-file": str(folder / "rotel.pid"),
            "log-file": str(folder / "rotel.log"),
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        process = subprocess.Popen(
            [program, "start", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: _is_open(http))
            yield f"http://127.0.0.1:{http}", received
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_so: Callable[[], object]) -> None:
    """Return once something in another process is so."""
    end = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it did not come to be so in time"
        time.sleep(0.02)
