"""`interlock` as a user types it: in a folder, as a process of its own or within this one."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from interlock.cli.main import run

INTERLOCK = Path(sys.executable).with_name("interlock")
WAIT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one JSON document on stdout; fails if there is anything else."""
        return json.loads(self.out)

    @property
    def events(self) -> list[Any]:
        """The JSON lines on stdout; fails if there is anything else."""
        return [json.loads(line) for line in self.out.splitlines()]

    def find_lines(self, *words: str) -> list[str]:
        """Return the command lines shown that hold all of these words, in order."""
        lines = [line.strip() for line in [*self.out.splitlines(), *self.err.splitlines()]]
        commands = [line for line in lines if line.startswith("interlock ")]
        return [line for line in commands if all(word in line for word in words)]


class Shell:
    """A folder with the team in it."""

    def __init__(self, folder: Path) -> None:
        """Copy the team there as `app.py`."""
        self.folder = folder
        self._started: list[subprocess.Popen[str]] = []
        shutil.copy(Path(__file__).with_name("desk_app.py"), folder / "app.py")
        kept = {k: v for k, v in os.environ.items() if not k.startswith("INTERLOCK_")}
        self.environment = {
            **kept,
            "PATH": f"{INTERLOCK.parent}{os.pathsep}{kept['PATH']}",
            "LANGSMITH_TRACING": "false",
            "TERM": "xterm-256color",
        }

    def run(self, *arguments: str) -> Done:
        """Run a command as a process of its own."""
        return self._wait([str(INTERLOCK), *arguments])

    def paste(self, line: str) -> Done:
        """Run a line that was shown, through a real shell."""
        return self._wait(["bash", "-c", line])

    def _wait(self, command: list[str]) -> Done:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command and do not wait for it."""
        process = subprocess.Popen(
            [str(INTERLOCK), *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what was started and still runs."""
        for process in self._started:
            process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def type(self, line: str) -> Done:
        """Run a line that was shown within this process, its words as a shell would split them."""
        name, *arguments = shlex.split(line)
        assert name == "interlock"
        return self.call(*arguments)

    def call(self, *arguments: str) -> Done:
        """Run a command within this process, which has imported everything already."""
        out, err = StringIO(), StringIO()
        path, modules = list(sys.path), set(sys.modules)
        code: object = None
        try:
            with (
                chdir(self.folder),
                patch.object(sys, "argv", ["interlock", *arguments]),
                redirect_stdout(out),
                redirect_stderr(err),
            ):
                run()
        except SystemExit as exc:
            code = exc.code
        finally:
            sys.path[:] = path
            for name in {"app"} - modules:
                sys.modules.pop(name, None)
        assert isinstance(code, int)
        return Done(code=code, out=out.getvalue(), err=err.getvalue())

    @property
    def starts(self) -> list[str]:
        """Every start of a worker, in order."""
        path = self.folder / "starts.txt"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


def finish(process: "subprocess.Popen[str]", *, out: str = "") -> Done:
    """Wait for a process; `out` is what was read of it already.

    Not by `communicate`, which loses what an earlier `readline` has read ahead.
    """
    assert process.stdout is not None
    if process.stdin is not None:
        process.stdin.close()
    with ThreadPoolExecutor(1) as pool:
        errors = pool.submit(process.stderr.read) if process.stderr is not None else None
        rest = process.stdout.read()
        err = "" if errors is None else errors.result(WAIT_SECONDS)
    code = process.wait(WAIT_SECONDS)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return Done(code=code, out=out + rest, err=err)


def read_until(process: "subprocess.Popen[str]", words: str, *, error: bool = False) -> str:
    """Return a process's lines up to the one that holds the words."""
    stream = process.stderr if error else process.stdout
    assert stream is not None
    read: list[str] = []
    while not read or words not in read[-1]:
        line = stream.readline()
        assert line, f"{words!r} never came: {read}"
        read.append(line)
    return "".join(read)


def require_clean(text: str) -> None:
    """Fail if a text holds anything but printable characters and line ends."""
    for line in text.split("\n"):
        assert line.isprintable(), repr(line)
