"""Real processes without the price of importing: one process imports, and forks for each call.

All zygotes of a test process are forks of one root, so that only one ever imports. A zygote serves
one call at a time: its fork runs an async function of a test module in an event loop of its own and
then dies without cleaning up; it may be killed or frozen by its pid.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
PRELOADED = (
    "tests.acceptance.six_steps",
    "interlock.checkpoints.postgresql.postgres_database",
)
T = TypeVar("T")


class Root:
    """The test's side of the process that imports and forks zygotes; it ends with its socket."""

    def __init__(self) -> None:
        """Start it; it imports while others do other things."""
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-W",
                    "error",
                    "-c",
                    f"from {__name__} import wait_for_zygotes as w; w({theirs.fileno()})",
                ],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                env={
                    **os.environ,
                    "LANGSMITH_TRACING": "false",
                    "LANGGRAPH_STRICT_MSGPACK": "true",
                },
            )

        atexit.register(self.close)

    def close(self) -> None:
        """Hang up, and wait for its end."""
        self._socket.close()
        self._process.wait()

    def fork(self) -> socket.socket:
        """Return the socket of a new zygote."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._socket, [b"z"], [theirs.fileno()])
        return ours


@cache
def start_root() -> Root:
    """Return this test process's root, started when the first test asks for it."""
    return Root()


class Zygote:
    """The test's side of one zygote."""

    def __init__(self) -> None:
        """Fork it."""
        self._socket = start_root().fork()
        self._lines = self._socket.makefile("rw")

    def start(self, call: str, **arguments: Any) -> int:
        """Fork a process that makes a call (`module:function`), and return its pid."""
        self._lines.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
        self._lines.flush()
        return int(self._listen())

    def wait(self) -> int:
        """Return the exit code of the process started last, negative for a signal."""
        return int(self._listen())

    def run(self, call: str, **arguments: Any) -> int:
        """Start a process and wait for it."""
        self.start(call, **arguments)
        return self.wait()

    def close(self) -> None:
        """Hang up, which ends the zygote; a process of it that still lives is the caller's."""
        self._lines.close()
        self._socket.close()

    def _listen(self) -> str:
        line = self._lines.readline()
        if not line:
            raise RuntimeError("the zygote has died")
        return line


@contextmanager
def open_zygotes(count: int) -> Iterator[Sequence[Zygote]]:
    """Start zygotes, and end them with the block."""
    with ExitStack() as stack:
        zygotes = [Zygote() for _ in range(count)]
        for zygote in zygotes:
            stack.callback(zygote.close)
        yield zygotes


def run_all(zygotes: Sequence[Zygote], cases: Sequence[Callable[[Zygote], T]]) -> list[T]:
    """Return what the cases give, run on whichever zygote is free."""
    free: queue.SimpleQueue[Zygote] = queue.SimpleQueue()
    for zygote in zygotes:
        free.put(zygote)

    def run_one(case: Callable[[Zygote], T]) -> T:
        zygote = free.get()
        try:
            return case(zygote)
        finally:
            free.put(zygote)

    with ThreadPoolExecutor(len(zygotes)) as pool:
        return list(pool.map(run_one, cases))


def wait_for_zygotes(number: int) -> None:
    """Be the root: import, then fork a zygote for every socket that is sent."""
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()
    with socket.socket(fileno=number) as requests:
        while True:
            _, sockets, _, _ = socket.recv_fds(requests, 1, 1)
            if not sockets:
                return
            if os.fork() == 0:
                requests.close()
                _serve(socket.socket(fileno=sockets[0]))
                os._exit(0)
            os.close(sockets[0])
            _reap()


def _reap() -> None:
    """Forget the zygotes that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _serve(asked: socket.socket) -> None:
    """Be a zygote: fork for every line that comes until the test hangs up."""
    with asked, asked.makefile("rw") as lines:
        for line in iter(lines.readline, ""):
            request = json.loads(line)
            pid = os.fork()
            if pid == 0:
                os.close(asked.fileno())
                _live(request["call"], request["arguments"])
            lines.write(f"{pid}\n")
            lines.flush()
            _, status = os.waitpid(pid, 0)
            lines.write(f"{os.waitstatus_to_exitcode(status)}\n")
            lines.flush()


def _live(call: str, arguments: dict[str, Any]) -> None:
    """Make the call and die."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        module, _, name = call.partition(":")
        asyncio.run(getattr(importlib.import_module(module), name)(**arguments))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
