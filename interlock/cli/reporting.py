"""What `interlock report` does: writes a page about a run, or about many."""

from pathlib import Path

from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.metrics import parse_instant
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.clean_text import clean_text
from interlock.contracts.clock import SystemClock
from interlock.contracts.errors import ConfigurationError
from interlock.orchestrator.reporting import load_report, load_window_report


def write_report(
    output: Output,
    *,
    commands: CommandLines,
    path: str | None,
    name: str | None,
    since: str | None,
    until: str | None,
) -> int:
    """Write the page.

    Raises:
        ConfigurationError: It cannot be written, or what was typed does not go together.
    """
    now = SystemClock().now()
    if commands.thread_id:
        if since or until or name:
            raise ConfigurationError(
                "A report is about one THREAD, or about all of --since, --until and --name. Leave "
                "one of them out."
            )
        page = read(
            commands,
            lambda storage: load_report(
                storage, commands.thread_id, now=now, command=commands.handoffs()
            ),
        )
    else:
        begin, end = (
            None if text is None else parse_instant(text, name=option, now=now)
            for text, option in ((since, "--since"), (until, "--until"))
        )
        page = read(
            commands,
            lambda storage: load_window_report(storage, team=name, since=begin, until=end, now=now),
        )
    target = Path(path or "report.html")
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(f"{target} cannot be written: {exc.strerror}.") from exc
    size = target.stat().st_size
    output.show(
        Text(clean_text(f"Written: {target} ({size / 1000:,.0f} kB). Open it in a browser.")),
        data={"file": str(target), "bytes": size},
    )
    return ExitCode.COMPLETED
