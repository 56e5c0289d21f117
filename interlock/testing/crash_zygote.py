"""A process that has imported what a team needs and forks for each of its lives.

Started by `crash_kit`. It serves one life at a time, over its standard input and output.
"""

import asyncio
import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from interlock.contracts.errors import ConfigurationError, InterlockError
from interlock.testing.crash_life import LifeOrder, live

_LOOK_SECONDS: Final = 0.01


class CrashKitError(InterlockError):
    """A life of the team ended in a way that nobody asked for; the message holds its words."""


class Zygote:
    """The kit's side of the process."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            ConfigurationError: The system cannot fork.
        """
        if not hasattr(os, "fork"):
            raise ConfigurationError(
                "The crash kit needs a system that can fork a process. Use Linux or macOS."
            )
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
                "LANGGRAPH_STRICT_MSGPACK": "true",
            },
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def run(self, order: LifeOrder, *, timeout_seconds: float) -> bool:
        """Live once; returns whether the life was killed.

        Raises:
            CrashKitError: It failed, or did not end in time.
        """
        request = json.dumps({"order": asdict(order), "timeout": timeout_seconds})
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018
        self._process.stdin.write(f"{request}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        code = int(line) if line else None
        if code in {0, -signal.SIGKILL} and not (code and order.side is None):
            return code != 0
        words = Path(order.notes) / "words"
        said = words.read_text("utf-8", "replace").strip()[-3000:] if words.exists() else ""
        raise CrashKitError(
            f"A life of the team {order.team!r} did not end within {timeout_seconds:g} s."
            if code == -signal.SIGKILL
            else f"A life of the team {order.team!r} ended with {code}: {said or 'no words'}"
        )


def serve() -> None:
    """Fork for every line on standard input until there is none."""
    import_module("interlock.public_names")  # once, not in every life
    gc.freeze()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(LifeOrder(**request["order"]))
        replies.write(f"{_wait(pid, request['timeout'])}\n")
        replies.flush()


def _wait(pid: int, timeout_seconds: float) -> int:
    """Return how a process ended, negative for a signal; one that is too slow is killed."""
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > give_up_at:
            os.kill(pid, signal.SIGKILL)
        select.select([], [], [], _LOOK_SECONDS)


def _live(order: LifeOrder) -> Any:  # noqa: ANN401 - never returns
    """Live and die; what is said on the way goes to a file of the kit."""
    code = 1
    words = os.open(Path(order.notes) / "words", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(words, 1)
    os.dup2(words, 2)
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        asyncio.run(live(order))
        code = 0
    except BaseException:  # noqa: BLE001 - the last place that can word it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
