"""Forgetting what is old: counted, or deleted."""

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.json_lines import dump_value
from interlock.console.prune_page import draw_pruned
from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.retention import PruneReport, Retention
from interlock.contracts.storage import Storage


def prune_storage(
    output: Output, *, commands: CommandLines, retention: Retention, line: str, is_dry_run: bool
) -> int:
    """Delete what is old and not needed, or count it.

    Args:
        output: Where to say what went.
        commands: Names the storage.
        retention: What may go.
        line: The command line that deletes what a dry run has counted.
        is_dry_run: Whether to count only.
    """

    async def prune(storage: Storage) -> PruneReport:
        thread_id = retention.thread_id
        if thread_id is not None and await storage.load_run(thread_id) is None:
            config = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
            if await storage.checkpointer.aget_tuple(config) is None:
                raise UnknownThreadError(thread_id=thread_id)
        return await storage.prune(retention, dry_run=is_dry_run)

    report = read(commands, prune)
    shown = line if is_dry_run and report.tables else None
    page = draw_pruned(report, compacted=retention.compact, line=shown)
    data = {**dump_value(report), "total": dump_value(report.total), "next": shown}
    output.show(page, data=data)
    return ExitCode.COMPLETED
