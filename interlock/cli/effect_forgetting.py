"""Effects that ended long ago: counted, or deleted."""

from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.durations import parse_duration
from interlock.cli.effects import require_thread
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.clean_text import count_of
from interlock.console.command_line import draw_command
from interlock.console.json_lines import dump_value
from interlock.contracts.clock import SystemClock
from interlock.contracts.effect_ledger import ForgetEffects
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.storage import Storage


def forget_effects(
    output: Output, *, commands: CommandLines, older_than: str, is_dry_run: bool
) -> int:
    """Delete effects that ended long ago, or count them."""
    before = _derive_instant(parse_duration(older_than, name="--older-than"), older_than)
    thread_id = ThreadId(commands.thread_id) if commands.thread_id else None

    async def forget(storage: Storage) -> tuple[int, bool]:
        is_kept = False
        if thread_id is not None:
            await require_thread(storage, thread_id)
            run = await storage.load_run(thread_id)
            is_kept = run is not None and run.status not in TERMINAL_RUN_STATUSES
        request = ForgetEffects(before=before, dry_run=is_dry_run, thread_id=thread_id)
        return await storage.ledger.apply(request), is_kept

    count, is_kept = read(commands, forget)
    line = commands.forget_effects(older_than) if is_dry_run and count else None
    data = {
        "forgotten": count,
        "dry_run": is_dry_run,
        "before": dump_value(before),
        "thread_id": thread_id,
        "next": line,
    }
    output.show(_draw_forgotten(count, before, line=line, is_kept=is_kept), data=data)
    return ExitCode.COMPLETED


def _derive_instant(age: timedelta, text: str) -> datetime:
    try:
        return SystemClock().now() - age
    except OverflowError as exc:
        raise ConfigurationError(
            f"--older-than is {text!r}, which is longer ago than any date. Give less."
        ) from exc


def _draw_forgotten(count: int, before: datetime, *, line: str | None, is_kept: bool) -> Group:
    what = f"{count_of(count, 'effect')} that ended before {before:%Y-%m-%d %H:%M:%S} UTC"
    parts: list[RenderableType] = [Text(f"{'Would forget' if line else 'Forgot'} {what}.")]
    if is_kept:
        parts.append(Text("The thread's run is not finished, so that its effects are kept."))
    else:
        parts.append(
            Text("Kept: those of unfinished runs, and those not known to have ended.", style="dim")
        )
    if line is not None:
        parts += [Text("To forget them, so that a call for one is a new one:"), draw_command(line)]
    return Group(*parts)
