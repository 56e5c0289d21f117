"""What `interlock demo` does: makes the folder, runs, shows, cleans up. Called by the command line."""

import asyncio
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol, TextIO

from rich.console import Console, RenderableType

from interlock.console.clean_text import clean_text
from interlock.console.signal_handlers import catch_signals
from interlock.contracts.clock import SystemClock
from interlock.demo.cases import CASES
from interlock.demo.demo_folder import DemoFolder
from interlock.demo.demo_json import DemoJson
from interlock.demo.demo_lines import DemoLines
from interlock.demo.demo_page import draw_conclusion, draw_introduction
from interlock.demo.demonstration import CaseReport, Demonstration, DemoView

_RIGHT, _WRONG, _SIGNAL_BASE = 0, 5, 128
_PREFIX: Final = "interlock-demo-"
_STOPPING: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Output(Protocol):
    """Where the command writes; the command line hands it in."""

    @property
    def console(self) -> Console:
        """For people, on stdout."""
        ...

    @property
    def stdout(self) -> TextIO:
        """For programs."""
        ...

    def print(self, page: RenderableType) -> None:
        """Write a page for people, on a terminal or into a pipe."""
        ...

    def complain(self, words: str) -> None:
        """Write lines to stderr."""
        ...


def run_demo(output: Output, *, as_json: bool, folder: Path | None, keep: bool) -> int:
    """Run the demonstration and return its exit code: 0 only if all was as expected.

    Args:
        output: Where it writes.
        as_json: Write one JSON object a ticket and a summary, for programs.
        folder: Where it works, and what stays; a temporary folder if left out.
        keep: Keep the temporary folder.

    Raises:
        ConfigurationError: The folder holds a demonstration already.
        StorageError: The folder cannot be used.
    """
    with _open_folder(folder, keep=keep) as path:
        kept = folder is not None or keep
        command = _Command(DemoFolder(path), output, as_json=as_json, is_kept=kept)
        return asyncio.run(command.run())


@contextmanager
def _open_folder(folder: Path | None, *, keep: bool) -> Iterator[Path]:
    if folder is not None:
        yield folder
    elif keep:
        yield Path(tempfile.mkdtemp(prefix=_PREFIX))
    else:
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
            yield Path(name)


class _Command:
    """One call of the command."""

    def __init__(self, folder: DemoFolder, output: Output, *, as_json: bool, is_kept: bool) -> None:
        self._folder = folder
        self._output = output
        self._as_json = as_json
        self._kept = folder if is_kept else None
        self._signal: signal.Signals | None = None

    async def run(self) -> int:
        """Run it, and say if it was stopped."""
        task = asyncio.create_task(self._run())
        with self._watch_signals(task):
            try:
                return await task
            except asyncio.CancelledError:
                if self._signal is None:
                    raise
                return self._tell_stopped(self._signal)
            except BaseExceptionGroup as group:
                raise _find_first(group) from group

    async def _run(self) -> int:
        self._folder.fill()
        if self._as_json:
            return await self._run_for_programs()
        return await self._run_for_people()

    async def _run_for_programs(self) -> int:
        clock = SystemClock()
        view = DemoJson(self._output.stdout)
        begun = clock.now()
        reports = await self._demonstrate(view, clock)
        seconds = (clock.now() - begun).total_seconds()
        view.conclude(reports, seconds=seconds, kept=self._kept)
        return _derive_code(reports)

    async def _run_for_people(self) -> int:
        self._output.print(draw_introduction(len(CASES)))
        with DemoLines(self._output.console, total=len(CASES)) as view:
            reports = await self._demonstrate(view, SystemClock())
        page = draw_conclusion(reports, seconds=view.seconds, kept=self._kept)
        self._output.print(page)
        return _derive_code(reports)

    async def _demonstrate(self, view: DemoView, clock: SystemClock) -> Sequence[CaseReport]:
        return await Demonstration(self._folder, CASES, view=view, clock=clock).run()

    @contextmanager
    def _watch_signals(self, task: asyncio.Task[int]) -> Iterator[None]:
        """Cancel the task when a signal asks to stop: what it started ends with it."""
        numbers = [signal.Signals[name] for name in _STOPPING if hasattr(signal, name)]

        def stop(number: signal.Signals) -> None:
            self._signal = number
            task.cancel()

        with catch_signals(numbers, stop):
            yield

    def _tell_stopped(self, number: signal.Signals) -> int:
        left = "Its folder is gone" if self._kept is None else f"Its folder is {self._kept.path}"
        self._output.complain(clean_text(f"Stopped by {number.name}. {left}."))
        return _SIGNAL_BASE + number


def _find_first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group that is none itself."""
    first = group.exceptions[0]
    return _find_first(first) if isinstance(first, BaseExceptionGroup) else first


def _derive_code(reports: Sequence[CaseReport]) -> int:
    return _RIGHT if all(report.is_right for report in reports) else _WRONG
