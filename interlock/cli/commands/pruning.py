"""`prune`: forgets what is old and not needed."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, StorageOption, TeamOption


def prune(  # noqa: PLR0913 - one parameter an option
    *,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="DURATION",
            help="Nothing younger goes, such as 30d, 12h or 45min; 0s for all that is not needed.",
        ),
    ] = "30d",
    thread: Annotated[
        str | None,
        typer.Option("--thread", metavar="ID", help="Of one thread only.", show_default=False),
    ] = None,
    keep_checkpoints: Annotated[
        int,
        typer.Option(
            "--keep-checkpoints",
            metavar="N",
            min=1,
            help="Newest checkpoints of each graph of an unfinished thread that stay whatever their "
            "age. A resume needs one; more are for time travel.",
        ),
    ] = 1,
    journal: Annotated[
        bool,
        typer.Option(
            "--journal",
            metavar="",
            help="The record of threads that ended goes too: handoffs, outcomes, questions and "
            "their payloads. The run with its result stays, and the shared context.",
            show_default=False,
        ),
    ] = False,
    compact: Annotated[
        bool,
        typer.Option(
            "--compact",
            metavar="",
            help="Rewrite an SQLite file without its free room. Takes as long as copying it; "
            "whatever writes to it waits.",
            show_default=False,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", metavar="", help="Count it, and keep it.", show_default=False),
    ] = False,
    team: TeamOption = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete what is old and no resume needs; threads under way go on as if nothing had happened.

    Of unfinished threads: checkpoints that nothing leads back to. Of threads that ended that long
    ago: all checkpoints, notes and unused values; with --journal their record too. Effects that
    ended that long ago are forgotten as by `effects forget`. Threads that somebody is running are
    left alone.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.durations import parse_duration
    from interlock.cli.failures import leave_with
    from interlock.cli.output import Output
    from interlock.cli.pruning import prune_storage
    from interlock.contracts.ids import ThreadId
    from interlock.contracts.retention import Retention

    commands = CommandLines(thread_id=thread or "", team=team, storage=storage)

    def call(output: Output) -> int:
        retention = Retention(
            older_than=parse_duration(older_than, name="--older-than"),
            thread_id=None if thread is None else ThreadId(thread),
            keep_checkpoints=keep_checkpoints,
            journal=journal,
            compact=compact,
        )
        line = commands.prune(
            older_than, keep_checkpoints=keep_checkpoints, journal=journal, compact=compact
        )
        return prune_storage(
            output, commands=commands, retention=retention, line=line, is_dry_run=dry_run
        )

    leave_with(call, as_json=as_json, commands=commands)
