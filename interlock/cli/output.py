"""Where a command writes: results to stdout, errors to stderr, JSON if it was asked for."""

import sys
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from rich.console import Console, RenderableType

from interlock.console.json_lines import write_json

_PIPE_WIDTH: Final = 1000
"""Wide enough that lines in pipes and files are not broken."""


@dataclass(slots=True)
class Output:
    """The streams of one command.

    Attributes:
        as_json: Whether programs read it.
        stdout: As it was when the command began: workers that print do not write there.
        stderr: The same.
        console: For people, on stdout.
    """

    as_json: bool
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)
    console: Console = field(init=False)

    def __post_init__(self) -> None:
        """Open the console."""
        is_terminal = self.stdout.isatty()
        self.console = Console(
            file=self.stdout,
            highlight=False,
            markup=False,
            emoji=False,
            width=None if is_terminal else _PIPE_WIDTH,
            force_terminal=None if is_terminal else False,
        )

    @property
    def is_live(self) -> bool:
        """Whether a display that moves can be drawn."""
        return not self.as_json and self.console.is_terminal and not self.console.is_dumb_terminal

    def show(self, page: RenderableType, *, data: Any) -> None:  # noqa: ANN401 - any JSON value
        """Write a page for people, or its data for programs."""
        if self.as_json:
            write_json(self.stdout, data)
        else:
            self.print(page)

    def print(self, page: RenderableType) -> None:
        """Write a page for people; in pipes without the blanks that fill up tables."""
        if self.console.is_terminal:
            self.console.print(page, crop=False)
            return
        with self.console.capture() as captured:
            self.console.print(page, crop=False)
        lines = [line.rstrip() for line in captured.get().split("\n")]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()

    def complain(self, words: str) -> None:
        """Write lines to stderr; they are clean already."""
        self.stderr.write(words.rstrip() + "\n")
        self.stderr.flush()
