"""`keys`: the keys of sealed databases."""

from typing import Annotated

import typer

from interlock.cli.options import JsonOption, StorageOption, TeamOption, show_examples

app = typer.Typer(
    no_args_is_help=True,
    help="Make and change the keys that a database is sealed with.\n\n"
    "A sealed database holds goals, values, state, questions, answers, notes and errors encrypted "
    "(AES-256-GCM), each bound to its row. Commands take the keys from "
    "INTERLOCK_ENCRYPTION_KEYS, as id:base64,id:base64; the first seals what is written.",
    epilog=show_examples(
        "export INTERLOCK_ENCRYPTION_KEYS=$(interlock keys new)",
        "interlock keys seal --storage sqlite:///desk.db",
        "interlock keys rotate --storage sqlite:///desk.db",
    ),
)


@app.command(
    epilog=show_examples(
        "interlock keys new",
        "export INTERLOCK_ENCRYPTION_KEYS=$(interlock keys new --id 2026-12),$INTERLOCK_ENCRYPTION_KEYS",
    )
)
def new(
    *,
    key_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="ID",
            help="What it is called, in clear beside every value. Left out: today's date.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a fresh key as INTERLOCK_ENCRYPTION_KEYS takes it; nothing is stored.

    Keep it where you keep passwords: without it nobody can read the database again.
    """
    from interlock.cli.failures import leave_with
    from interlock.cli.key_changing import show_new_key

    leave_with(lambda output: show_new_key(output, key_id=key_id), as_json=as_json)


@app.command(epilog=show_examples("interlock keys rotate --storage sqlite:///desk.db"))
def rotate(
    *, team: TeamOption = None, storage: StorageOption = None, as_json: JsonOption = False
) -> None:
    """Seal every value anew with the first key; then the others can be left out.

    The database can be used meanwhile, by processes that have all keys, the new one first. Safe to
    interrupt and to run again.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.key_changing import rotate_keys

    commands = CommandLines(team=team, storage=storage)
    leave_with(
        lambda output: rotate_keys(output, commands=commands), as_json=as_json, commands=commands
    )


@app.command(epilog=show_examples("interlock keys seal --storage sqlite:///desk.db"))
def seal(
    *, team: TeamOption = None, storage: StorageOption = None, as_json: JsonOption = False
) -> None:
    """Turn a plain database into a sealed one, with the first key.

    Stop what uses it first. Safe to interrupt and to run again. Backups made before stay plain.
    """
    from interlock.cli.command_lines import CommandLines
    from interlock.cli.failures import leave_with
    from interlock.cli.key_changing import seal_values

    commands = CommandLines(team=team, storage=storage)
    leave_with(
        lambda output: seal_values(output, commands=commands), as_json=as_json, commands=commands
    )
