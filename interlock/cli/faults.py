"""What `interlock fault` does: writes down that a step's value is wrong."""

from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.clean_text import clean_text
from interlock.console.json_lines import dump_value
from interlock.contracts.clock import SystemClock
from interlock.orchestrator.fault_reporting import report_fault


def report(
    output: Output,
    *,
    commands: CommandLines,
    step: str,
    why: str,
    found_by: str,
    is_final_check: bool,
) -> int:
    """Write a fault down and show it."""
    fault = read(
        commands,
        lambda storage: report_fault(
            storage,
            commands.thread_id,
            step,
            why=why,
            found_by=found_by,
            is_final_check=is_final_check,
            at=SystemClock().now(),
        ),
    )
    words = (
        f"Recorded: the value of step {step!r} (attempt {fault.attempt}) is wrong: {why} "
        f"(found by {found_by}). `interlock metrics` counts which criteria let it pass."
    )
    output.show(Text(clean_text(words)), data={"fault": dump_value(fault)})
    return ExitCode.COMPLETED
