"""`demo`: a desk at work, with faults, in half a minute."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.options import JsonOption


def demo(
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="DIR",
            help="Where its database lies. Left out: a temporary folder.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", metavar="", help="Keep the folder, to look around.", show_default=False
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch a team answer real tickets while workers fail, hang and are killed. No key needed."""
    from interlock.cli.failures import leave_with
    from interlock.demo.command import run_demo

    leave_with(
        lambda output: run_demo(output, as_json=as_json, folder=folder, keep=keep),
        as_json=as_json,
    )
