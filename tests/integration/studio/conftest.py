"""A `langgraph dev` server on loopback over a working copy of the examples."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

REPOSITORY = Path(__file__).parents[3]
HERE = Path(__file__).parent
BLOCKING = ("BlockingError", "Blocking call", "GraphLoadError", "Could not import")
OFFLINE = {
    "LANGSMITH_TRACING": "false",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
}


@dataclass(frozen=True, kw_only=True)
class DevServer:
    """A running server: how to reach it, and where it works."""

    client: SyncLangGraphClient
    folder: Path
    log: Path

    def list_faults(self) -> list[str]:
        """Return the log's lines that tell of a blocking call or of a graph not loaded."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if any(word in line for word in BLOCKING)]


@contextmanager
def run_dev_server(folder: Path) -> Generator[DevServer]:
    """Run `langgraph dev` in a folder; it is gone when the block ends, whatever happened."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "server.log"
    environment = {**os.environ, **OFFLINE, "NO_COLOR": "1"}
    environment.pop("LANGSMITH_API_KEY", None)
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _require_ready(url, log)
        with get_sync_client(url=url, api_key=None) as client:
            yield DevServer(client=client, folder=folder, log=log)
    finally:
        _stop(process)


def _require_ready(url: str, log: Path) -> None:
    """Return once the server answers; the transport repeats refused connections."""
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=6)) as client:
            client.get(f"{url}/ok", timeout=30).raise_for_status()
    except httpx.HTTPError as exc:
        words = log.read_text(encoding="utf-8")
        raise AssertionError(f"The dev server did not start: {exc}\n{words}") from exc


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and all that it started."""
    try:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        pass
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def copy_examples(folder: Path) -> None:
    """Put what `langgraph dev` needs into a folder, and the gated team beside it."""
    for name in ("minimal_team", "retail_desk"):
        shutil.copytree(REPOSITORY / "examples" / name, folder / "examples" / name)
    shutil.copy(HERE / "gated_team.py", folder)
    config: dict[str, Any] = json.loads((REPOSITORY / "langgraph.json").read_text())
    config["graphs"]["gated_team"] = "./gated_team.py:make_graph"
    (folder / "langgraph.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    folder = tmp_path_factory.mktemp("studio")
    copy_examples(folder)
    with run_dev_server(folder) as server:
        yield server


@pytest.fixture
def server(running_server: DevServer) -> Iterator[DevServer]:
    """The module's server; after each test its log must tell of no blocking call."""
    yield running_server
    assert running_server.list_faults() == []
