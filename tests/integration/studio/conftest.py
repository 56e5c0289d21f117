"""A `langgraph dev` server on loopback over a working copy of the examples."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client

REPOSITORY = Path(__file__).parents[3]
HERE = Path(__file__).parent
TEST_TEAMS = ("asking_team", "gated_team")
STARTED = "Application started up"
START_SECONDS = 60
STOP_SECONDS = 20


class DevServer:
    """A server that can be stopped in the middle of a run, and started again on its folder.

    Attributes:
        folder: Where it works; its own files and the teams' storage lie below.
        client: Speaks to it over HTTP.
        lines: Its log so far, over all its processes.
    """

    def __init__(self, folder: Path) -> None:
        """Choose a free port; nothing is started."""
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._url = f"http://127.0.0.1:{self._port}"
        self.client = get_sync_client(url=self._url, api_key=None)
        self.lines: list[str] = []
        self._seen = 0
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start the server and return once it answers."""
        config = json.loads((self.folder / "langgraph.json").read_text())
        environment = {**os.environ, **config["env"], "LOG_JSON": "true"}
        environment.pop("LANGSMITH_API_KEY", None)
        command = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
        self._process = subprocess.Popen(
            [
                *command,
                "--host",
                "127.0.0.1",
                "--port",
                str(self._port),
                "--n-jobs-per-worker",
                "4",
            ],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        is_told = threading.Event()
        self._reader = threading.Thread(target=self._read_log, args=(self._process, is_told))
        self._reader.start()
        is_told.wait(START_SECONDS)
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=4)) as client:
                client.get(f"{self._url}/ok", timeout=30).raise_for_status()
        except httpx.HTTPError as exc:
            raise AssertionError(f"The dev server did not start: {exc}\n{self.log}") from exc

    def stop(self) -> None:
        """Press Ctrl-C, and end what has not ended by itself; safe to repeat."""
        if self._process is None or self._reader is None:
            return
        try:
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=STOP_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()
            self._process = None

    @property
    def log(self) -> str:
        """What the server has said."""
        return "".join(self.lines)

    def take_faults(self) -> list[str]:
        """Return the log's errors since the last call, and whatever tells of a blocking call.

        Graphs that do not load and runs that fail are among them.
        """
        fresh, self._seen = self.lines[self._seen :], len(self.lines)
        return [line for line in fresh if _is_fault(line)]

    def _read_log(self, process: subprocess.Popen[str], is_told: threading.Event) -> None:
        for line in process.stdout:
            self.lines.append(line)
            if STARTED in line:
                is_told.set()
        is_told.set()


def _is_fault(line: str) -> bool:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return "Error" in line or "Traceback" in line
    return entry["level"] in {"error", "critical"} or "Blocking" in line


@contextmanager
def run_dev_server(folder: Path) -> Generator[DevServer]:
    """Run a server on a folder; it is gone when the block ends, whatever happened."""
    server = DevServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.client.http.client.close()


def copy_teams(folder: Path) -> None:
    """Put what `langgraph dev` needs into a folder: the examples, and the tests' own teams."""
    for name in ("minimal_team", "retail_desk"):
        shutil.copytree(REPOSITORY / "examples" / name, folder / "examples" / name)
    config: dict[str, Any] = json.loads((REPOSITORY / "langgraph.json").read_text())
    for name in TEST_TEAMS:
        shutil.copy(HERE / f"{name}.py", folder)
        config["graphs"][name] = f"./{name}.py:make_graph"
    (folder / "langgraph.json").write_text(json.dumps(config))


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """Return the one server of this test run."""
    folder = tmp_path_factory.mktemp("studio")
    copy_teams(folder)
    with run_dev_server(folder) as server:
        yield server


@pytest.fixture
def server(running_server: DevServer) -> Iterator[DevServer]:
    """Return the server; after each test its log must tell of no error."""
    yield running_server
    assert running_server.take_faults() == []
