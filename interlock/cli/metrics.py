"""What `interlock metrics` does: counts what a storage holds, and shows what is worst."""

from datetime import UTC, datetime

from interlock.cli.command_lines import CommandLines
from interlock.cli.durations import parse_duration
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.json_lines import dump_value
from interlock.console.metrics_page import TABLES, draw_metrics, draw_table
from interlock.contracts.clock import SystemClock
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.near_names import suggest_names
from interlock.orchestrator.measuring import load_metrics


def show_metrics(
    output: Output,
    *,
    commands: CommandLines,
    name: str | None,
    since: str | None,
    until: str | None,
    step: str | None,
    by: str | None,
) -> int:
    """Show the metrics of a thread, or of all threads in a window."""
    if by is not None and by not in TABLES:
        raise ConfigurationError(f"There is no table {by!r}. {suggest_names(by, TABLES)}")
    now = SystemClock().now()
    begin, end = (
        None if text is None else parse_instant(text, name=option, now=now)
        for text, option in ((since, "--since"), (until, "--until"))
    )
    metrics = read(
        commands,
        lambda storage: load_metrics(
            storage,
            thread_id=commands.thread_id or None,
            team=name,
            since=begin,
            until=end,
            step_prefix=step or "",
        ),
    )
    data = dump_value(metrics)
    if by is None:
        output.show(draw_metrics(metrics), data=data)
    else:
        output.show(draw_table(metrics, by=by), data={by: data[by]})
    return ExitCode.COMPLETED


def parse_instant(text: str, *, name: str, now: datetime) -> datetime:
    """Return an instant that is typed as so long ago, or as a date with or without a time.

    Raises:
        ConfigurationError: It is neither.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    try:
        return now - parse_duration(text, name=name)
    except (ConfigurationError, OverflowError) as exc:
        raise ConfigurationError(
            f"{name} is {text!r}. Say how long ago, such as 1d or 12h, or give a date, such as "
            "2026-01-31 or 2026-01-31T12:00 (UTC)."
        ) from exc
