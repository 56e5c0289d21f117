"""What `interlock blame` and `interlock critical-path` do: read where outputs went, and show it."""

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.metrics import parse_instant
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.blame_page import draw_critical_path, draw_trails
from interlock.contracts.clock import SystemClock
from interlock.contracts.storage import Storage
from interlock.orchestrator.blaming import load_critical_path, load_trails
from interlock.orchestrator.measuring import build_window
from interlock.telemetry.metrics.fault_trails import FaultTrail


def show_blame(
    output: Output,
    *,
    commands: CommandLines,
    name: str | None,
    since: str | None,
    until: str | None,
    step: str | None,
) -> int:
    """Show the faults of a thread's steps, or those found in a window, and what they have reached."""
    now = SystemClock().now()
    begin, end = (
        None if text is None else parse_instant(text, name=option, now=now)
        for text, option in ((since, "--since"), (until, "--until"))
    )

    async def load(storage: Storage) -> list[FaultTrail]:
        window = await build_window(
            storage,
            thread_id=commands.thread_id or None,
            team=name,
            since=begin,
            until=end,
            step_prefix=step or "",
        )
        return list(await load_trails(storage, window))

    trails = read(commands, load)
    output.show(draw_trails(trails), data=[trail.dump() for trail in trails])
    return ExitCode.COMPLETED


def show_critical_path(
    output: Output, *, commands: CommandLines, step: str | None, max_parallel: int | None
) -> int:
    """Show what decided when a run ended."""
    path = read(
        commands,
        lambda storage: load_critical_path(
            storage, commands.thread_id, step=step, max_parallel=max_parallel
        ),
    )
    output.show(draw_critical_path(path), data=path.dump())
    return ExitCode.COMPLETED
