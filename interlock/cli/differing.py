"""What `interlock diff` does: shows where two runs parted."""

from dataclasses import replace

from interlock.checkpoints import open_storage
from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import find_database, read
from interlock.console.difference_page import draw_difference
from interlock.console.json_lines import dump_value
from interlock.contracts.run_difference import RunDifference
from interlock.contracts.storage import Storage
from interlock.orchestrator.run_traces import load_difference


def show_difference(
    output: Output, *, commands: CommandLines, other: str, other_storage: str | None
) -> int:
    """Show where the runs of two threads parted."""

    async def load(storage: Storage) -> RunDifference:
        if other_storage is None:
            return await load_difference(storage, commands.thread_id, other)
        url, encryption = find_database(replace(commands, storage=other_storage, team=None))
        async with open_storage(url, encryption=encryption) as second:
            return await load_difference(storage, commands.thread_id, other, other_storage=second)

    difference = read(commands, load)
    data = {
        "one": difference.one.thread_id,
        "other": difference.other.thread_id,
        "causes": [dump_value(found) for found in difference.causes],
        "followed": [dump_value(found) for found in difference.followed],
        "same": list(difference.same),
    }
    output.show(draw_difference(difference), data=data)
    return ExitCode.COMPLETED
