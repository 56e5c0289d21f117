"""Errors as a user meets them: what happened, what was seen, what to type; no traceback."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from typing import Final, NoReturn

import typer

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode, derive_error_code
from interlock.cli.output import Output
from interlock.console.clean_text import clean_lines
from interlock.console.json_lines import dump_error, write_json
from interlock.contracts.effect_errors import EffectSettledError, UnknownEffectError
from interlock.contracts.errors import (
    AnswerError,
    DrainedError,
    FinishedRunError,
    InterlockError,
    LeaseLostError,
    ThreadBusyError,
    UnfinishedRunError,
    UnknownThreadError,
)

_INTERRUPTED: Final = 130
_PIPE_CLOSED: Final = 141


def leave_with(
    call: Callable[[Output], int], *, as_json: bool, commands: CommandLines | None = None
) -> NoReturn:
    """Do a command's work and leave with its exit code, whatever happens.

    What the team's own code prints on the way goes to stderr if programs read stdout.
    """
    output = Output(as_json=as_json)
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        code = _call(call, output, commands or CommandLines())
    raise typer.Exit(code)


def _call(call: Callable[[Output], int], output: Output, commands: CommandLines) -> int:
    try:
        return call(output)
    except InterlockError as exc:
        return report(exc, output=output, commands=commands)
    except KeyboardInterrupt:
        output.complain("Interrupted.")
        return _INTERRUPTED
    except BrokenPipeError:
        with suppress(OSError):  # or the interpreter complains when it flushes at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), output.stdout.fileno())
        return _PIPE_CLOSED
    except Exception as exc:  # noqa: BLE001 - the last place that can word it
        if output.as_json:
            message = "".join(traceback.format_exception_only(exc)).strip()
            write_json(output.stdout, dump_error(exc, message=message))
        output.complain("".join(traceback.format_exception(exc)))
        return ExitCode.FAILED


def report(error: InterlockError, *, output: Output, commands: CommandLines) -> int:
    """Write an error down and return its exit code."""
    hint = find_hint(error, commands)
    if output.as_json:
        shown = dump_error(error, message=str(error))
        if hint is not None:
            shown["error"]["next"] = hint
        write_json(output.stdout, shown)
    else:
        lines = clean_lines(f"Error: {word_error(error)}")
        output.complain("\n".join([*lines, *([f"  {hint}"] if hint else [])]))
    return derive_error_code(error)


def word_error(error: InterlockError) -> str:
    """Return an error in the words of the command line: its own name Python calls.

    What `find_hint` returns for it goes on the next line.
    """
    match error:
        case UnfinishedRunError(status="waiting"):
            return (
                f"Thread {error.thread_id!r} has a run already, which waits for a person. Start "
                "the new goal under another --thread, or see what is asked:"
            )
        case UnfinishedRunError():
            return (
                f"Thread {error.thread_id!r} has a run already, which is not finished "
                f"({error.status}). Start the new goal under another --thread, or go on with it:"
            )
        case FinishedRunError():
            return (
                f"The run on thread {error.thread_id!r} has ended ({error.status}). Start the new "
                "goal under another --thread, or read the result:"
            )
        case UnknownThreadError():
            return (
                f"No run was ever started on thread {error.thread_id!r} in this storage. Check "
                "the id and the storage; the runs that it knows:"
            )
        case ThreadBusyError() | LeaseLostError() | AnswerError():
            return f"{error} See:"
        case _:
            return str(error)


def find_hint(error: InterlockError, commands: CommandLines) -> str | None:
    """Return the command line that helps after an error, or None."""
    match error:
        case UnfinishedRunError():
            return commands.inbox() if error.status == "waiting" else commands.resume()
        case FinishedRunError() | DrainedError():
            return commands.resume()
        case UnknownThreadError():
            return commands.list_runs()
        case ThreadBusyError() | LeaseLostError():
            return commands.status()
        case UnknownEffectError() | EffectSettledError():
            return commands.effects()
        case AnswerError():
            return commands.inbox()
        case _:
            return None
