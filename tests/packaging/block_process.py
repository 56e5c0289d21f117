"""Pages' blocks in real processes without the price of importing: one imports, and forks for each.

Each fork has a folder, output and arguments of its own, and runs the block as `__main__`, warnings
being errors, as a user's own process does.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LIMIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class BlockRun:
    """What became of one block."""

    code: int
    stdout: str
    stderr: str


class BlockRunner:
    """The test's side of the process that forks."""

    def __init__(self) -> None:
        """Start it; it imports while others do other things."""
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def run(self, script: Path) -> BlockRun:
        """Run a script in its folder, and return what it printed and how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(str(script)) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        out, err = (script.with_suffix(end).read_text("utf-8") for end in (".out", ".err"))
        return BlockRun(code, out, err)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=_LIMIT_SECONDS)


def serve() -> None:
    """Fork for each script that is named on a line, and answer with its exit code."""
    import langchain.agents  # noqa: F401 - what pages use, imported once

    import interlock.public_names
    import interlock.testing  # noqa: F401 - the same

    sys.path.remove(str(ROOT))
    for line in sys.stdin:
        script = Path(json.loads(line))
        child = os.fork()
        if child == 0:
            _run(script)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(script: Path) -> None:
    """Run a script as a process of its own would, and end this one."""
    code = 1
    try:
        signal.alarm(_LIMIT_SECONDS)
        os.chdir(script.parent)
        for number, end in ((1, ".out"), (2, ".err")):
            target = os.open(script.with_suffix(end), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(target, number)
        sys.path.insert(0, str(script.parent))
        sys.argv = [str(script)]
        runpy.run_path(str(script), run_name="__main__")
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
