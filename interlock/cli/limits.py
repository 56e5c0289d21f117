"""What `interlock limits` does: shows breakers and rates, and forgets what is known of one."""

from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.limit_page import draw_limits
from interlock.contracts.clock import SystemClock
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.near_names import suggest_names
from interlock.contracts.storage import Storage
from interlock.orchestrator.limit_reading import dump_limit


def show_limits(output: Output, *, commands: CommandLines) -> int:
    """Show all breakers and rates that anything is known of."""
    records = read(commands, lambda storage: storage.limits.load())
    nothing = Text("Nothing is known of any breaker or rate: all are closed and at rest.")
    page = draw_limits(records, now=SystemClock().now()) if records else nothing
    output.show(page, data={"limits": [dump_limit(record) for record in records]})
    return ExitCode.COMPLETED


def reset_limit(output: Output, *, commands: CommandLines, name: str) -> int:
    """Forget what is known of a name.

    Raises:
        ConfigurationError: Nothing is known of it.
    """

    async def reset(storage: Storage) -> None:
        if not await storage.limits.reset(name):
            known = [record.name for record in await storage.limits.load()]
            raise ConfigurationError(
                f"Nothing is known of {name!r}, so there is nothing to reset. "
                f"{suggest_names(name, known)}"
            )

    read(commands, reset)
    output.show(
        Text(f"{name} is closed and at rest: the next call goes out."), data={"reset": name}
    )
    return ExitCode.COMPLETED
