"""A run on a real terminal: what is going on is shown live, and Ctrl-C drains."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.integration.cli.desk_app import HOSTILE
from tests.integration.cli.gate import Gate
from tests.integration.cli.shell import INTERLOCK, WAIT_SECONDS, Shell

SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Terminal:
    """A terminal with a command in its foreground."""

    def __init__(self, master: int, process: "subprocess.Popen[bytes]") -> None:
        """Read from its other side."""
        self._master = master
        self.process = process
        self.raw = ""

    @property
    def text(self) -> str:
        """All that was ever shown, without colours and movements of the cursor."""
        return SEQUENCE.sub("", self.raw).replace("\r", "")

    def wait_for(self, *words: str) -> None:
        """Read until all of these were shown."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not all(word in self.text for word in words):
            assert select.select([self._master], [], [], deadline - time.monotonic())[0], self.text
            self._read()

    def press(self, key: str) -> None:
        """Type a key."""
        os.write(self._master, key.encode())

    def finish(self) -> int:
        """Read until the command ends, and return its exit code."""
        with suppress(OSError):  # nobody holds the other side any more
            while True:
                self._read()
        return self.process.wait(WAIT_SECONDS)

    def _read(self) -> None:
        self.raw += os.read(self._master, 65536).decode()


@contextmanager
def open_terminal(
    shell: Shell, *arguments: str, columns: int = 100, **environment: str
) -> Iterator[Terminal]:
    """Start a command on a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [str(INTERLOCK), *arguments],
        cwd=shell.folder,
        env={**shell.environment, **environment},
        preexec_fn=lambda: os.login_tty(slave),  # noqa: PLW1509 - a terminal of its own
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_progress_is_shown_live_and_ctrl_c_drains(shell: Shell, gate: Gate) -> None:
    """Steps done, running and waiting and retries are counted while the run goes on."""
    arguments = ("run", "app:desk", "show", "--thread", "t17")
    with open_terminal(shell, *arguments, GATE_PORT=gate.port) as terminal:
        assert gate.wait() == "held"
        terminal.wait_for(
            "1/4 steps · 1 running · 1 waiting · 1 retry",
            "running  held  holder, attempt 1",
            "waiting  asked  Step 'asked'",
            "refused   order  attempt 1 by reader: TransientError: the shop is closed",
        )
        terminal.press("\x03")
        terminal.wait_for("SIGINT: running attempts may finish")
        gate.open()
        assert terminal.finish() == 130
        assert terminal.text.endswith("Go on with:\n  interlock resume app:desk t17\n")
    with open_terminal(shell, "resume", "app:desk", "t17") as terminal:
        assert terminal.finish() == 4
    assert "waiting  thread t17  3 steps settled" in terminal.text
    assert shell.starts.count("held") == 1


def test_a_line_to_paste_is_never_cut(shell: Shell) -> None:
    """On a narrow terminal a command line stays one line, which the terminal itself wraps."""
    shell.call("run", "app:desk", "ask", "--thread", "t17")
    question = shell.call("inbox", "--team", "app:desk", "--json").data["questions"][0]["id"]
    with open_terminal(shell, "inbox", "--team", "app:desk", columns=40) as terminal:
        assert terminal.finish() == 0
    line = f"interlock answer app:desk t17 {question} respond 'what to do'"
    assert re.search(rf"^ +{re.escape(line)}$", terminal.text, re.MULTILINE)


def test_what_workers_write_does_not_steer_the_terminal(shell: Shell) -> None:
    """The only control sequences on the terminal are the display's own colours and movements."""
    command = ("run", "app:desk", HOSTILE, "--thread", "t17")
    with open_terminal(
        shell, *command, columns=1000
    ) as terminal:  # a wrapped line is no forged one
        assert terminal.finish() == 4
    assert "[bold]loud[/bold] [/]" in terminal.text
    own = {"m", "A", "K", "h", "l"}  # colours, up, clear a line, the cursor's visibility
    assert {sequence[-1] for sequence in SEQUENCE.findall(terminal.raw)} <= own
    rest = terminal.text.replace("\n", "").replace("\t", "")
    assert rest.isprintable(), repr(rest)
    assert not re.search(r"^(FAKE|12:00:00Z)", terminal.text, re.MULTILINE)
