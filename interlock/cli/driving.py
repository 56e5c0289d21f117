"""Driving a run in the foreground: shown as it goes, stopped by signals, ended by a code."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import cast

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import derive_run_code
from interlock.cli.failures import report
from interlock.cli.output import Output
from interlock.cli.stop_signals import StopSignals
from interlock.console.clean_text import clean_lines
from interlock.console.json_lines import dump_error, write_json
from interlock.console.live_view import LiveView
from interlock.console.progress import Progress
from interlock.console.result_page import draw_result
from interlock.console.run_views import JsonLines, PlainLines, RunView
from interlock.contracts.clock import SystemClock
from interlock.contracts.errors import DrainedError, InterlockError, UnknownThreadError
from interlock.contracts.outcome import RunResult
from interlock.orchestrator import Orchestrator
from interlock.telemetry.events import Event, RunStopped

OpenEvents = Callable[[Orchestrator], AsyncIterator[Event]]


def drive(
    desk: Orchestrator, open_events: OpenEvents, *, output: Output, commands: CommandLines
) -> int:
    """Drive a thread to its end or a question, and return the exit code.

    Args:
        desk: The team, not open.
        open_events: Starts, resumes or answers: returns the stream of events.
        output: Where it is shown.
        commands: What the user can type next.

    An error is worded here, where the team's storage is known, as is a drain by a signal.
    """
    commands = replace(commands, team_storage=desk.storage_url)
    try:
        return asyncio.run(_drive(desk, open_events, output=output, commands=commands))
    except InterlockError as exc:
        return report(exc, output=output, commands=commands)


async def _drive(
    desk: Orchestrator, open_events: OpenEvents, *, output: Output, commands: CommandLines
) -> int:
    signals = StopSignals(desk, tell=output.complain)
    with signals.watch():
        async with desk:
            view = await _build_view(desk, output, commands.thread_id)
            signals.tell = view.tell
            try:
                with view:
                    result = await _show_all(open_events(desk), view)
            except DrainedError as exc:
                if signals.exit_code is None:
                    raise
                _word_drain(exc, output=output, commands=commands)
                return signals.exit_code
        _show_result(result, output=output, commands=commands)
        return derive_run_code(result.status)


def _show_result(result: RunResult, *, output: Output, commands: CommandLines) -> None:
    if output.as_json:
        return  # the last event holds it
    if commands.is_lost:
        output.print(draw_result(result, word_answers=lambda _: ()))
        if result.questions:
            output.complain(
                "The run was kept in memory, so it is gone and cannot be answered. Keep the next "
                "one in a database: --storage sqlite:///desk.db"
            )
        return
    output.print(
        draw_result(result, word_answers=commands.answer, journal_command=commands.handoffs())
    )


async def _show_all(events: AsyncIterator[Event], view: RunView) -> RunResult:
    result: RunResult | None = None
    async with aclosing(cast(AsyncGenerator[Event], events)):
        async for event in events:
            view.show(event)
            if isinstance(event, RunStopped):
                result = event.result
    assert result is not None  # noqa: S101 - a stream ends with RunStopped or raises
    return result


async def _build_view(desk: Orchestrator, output: Output, thread_id: str) -> RunView:
    clock = SystemClock()
    if output.as_json:
        return JsonLines(output.stdout, notes=output.stderr)
    if not output.is_live:
        return PlainLines(output.stdout, clock=clock)
    progress = Progress()
    with suppress(UnknownThreadError):  # a new run
        progress.start_from(await desk.astatus(thread_id))
    return LiveView(output.console, clock=clock, progress=progress)


def _word_drain(error: DrainedError, *, output: Output, commands: CommandLines) -> None:
    """Say how to go on."""
    if output.as_json:
        shown = dump_error(error, message=str(error))
        if not commands.is_lost:
            shown["error"]["next"] = commands.resume()
        write_json(output.stdout, shown)
    elif commands.is_lost:
        output.complain(f"Stopped by {error.reason}. The run was kept in memory, so it is gone.")
    else:
        (reason,) = clean_lines(error.reason)[:1]
        output.complain(
            f"Stopped by {reason}. What was done is kept. Go on with:\n  {commands.resume()}"
        )
