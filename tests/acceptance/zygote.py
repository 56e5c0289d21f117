"""Real processes without the price of importing: one process imports, and forks for each call.

A zygote serves one call at a time. The fork runs an async function of a test module in an event
loop of its own and then dies without cleaning up; it may be killed or frozen by its pid.
"""

import asyncio
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
PRELOADED = (
    "tests.acceptance.six_steps",
    "interlock.checkpoints.postgresql.postgres_database",
)
T = TypeVar("T")


class Zygote:
    """The test's side of one zygote."""

    def __init__(self) -> None:
        """Start it; it imports while others do other things."""
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "LANGSMITH_TRACING": "false", "LANGGRAPH_STRICT_MSGPACK": "true"},
        )

    def start(self, call: str, **arguments: Any) -> int:
        """Fork a process that makes a call (`module:function`), and return its pid."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"call": call, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        return int(self._listen())

    def wait(self) -> int:
        """Return the exit code of the process started last, negative for a signal."""
        return int(self._listen())

    def run(self, call: str, **arguments: Any) -> int:
        """Start a process and wait for it."""
        self.start(call, **arguments)
        return self.wait()

    def close(self) -> None:
        """End the zygote; a process of it that still lives is the caller's."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
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


def serve() -> None:
    """Be the zygote: fork for every line on standard input until there is none."""
    for module in PRELOADED:
        importlib.import_module(module)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(request["call"], request["arguments"])
        replies.write(f"{pid}\n")
        replies.flush()
        _, status = os.waitpid(pid, 0)
        replies.write(f"{os.waitstatus_to_exitcode(status)}\n")
        replies.flush()


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
