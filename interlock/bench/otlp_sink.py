"""A server on loopback, in a process of its own, that takes all that is exported to it over OTLP."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Final

_HOST: Final = "127.0.0.1"
_PATIENCE_SECONDS: Final = 30.0


class _Taker(BaseHTTPRequestHandler):
    """Reads what was sent and says that it was taken."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take one export."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""


def _serve(told: Connection) -> None:
    with ThreadingHTTPServer((_HOST, 0), _Taker) as server:
        told.send(server.server_port)
        server.serve_forever()


@contextmanager
def lend_sink() -> Iterator[str]:
    """Run the server for a block, and lend its address.

    Raises:
        TimeoutError: It did not start.
    """
    spawning = multiprocessing.get_context("spawn")
    heard, told = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_serve, args=(told,), daemon=True)
    process.start()
    try:
        if not heard.poll(_PATIENCE_SECONDS):
            raise TimeoutError("The server for exports did not start. Run the benchmark again.")
        yield f"http://{_HOST}:{heard.recv()}"
    finally:
        process.terminate()
        process.join()
