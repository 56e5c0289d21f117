"""Run a file of retail tickets through a team and compare the shop with what was recorded.

`python -m examples.retail_desk --help` says how.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import interlock as il
from examples.retail_desk.desk_lock import lock_folder
from examples.retail_desk.progress import Progress, show_summary
from interlock.console.signal_handlers import catch_signals
from interlock.demo.shop import Shop
from interlock.demo.ticket_desk import TicketDesk, TicketReport
from interlock.demo.ticket_planner import TicketPlanner
from interlock.demo.ticket_shops import TicketShops
from interlock.demo.tickets import Ticket, TicketFile, load_tickets

_RIGHT, _USAGE, _WRONG, _INTERRUPTED, _PIPE_CLOSED = 0, 2, 5, 130, 141

_DESCRIPTION = """\
Answer a file of retail tickets with a team of three workers (records, orders, clerk) and
compare the shop's database after each ticket with the hash that was recorded for it.

Every ticket is a run on a thread of its own, named by the ticket's id, on a copy of the shop.
"""
_EPILOG = """\
examples:
  # the dozen tickets that come with the package
  python -m examples.retail_desk --tickets interlock/demo/data/tickets.json \\
      --data interlock/demo/data

  # keep the journal, and go on where a killed or interrupted call stopped
  python -m examples.retail_desk --tickets FILE --data DIR --db desk.db

  # two tickets, one JSON object a line
  python -m examples.retail_desk --tickets FILE --data DIR --only retail-test-0 retail-test-16 --json

exit code: 0 all as expected, 2 wrong arguments or files, 5 something is not as expected,
130 interrupted (Ctrl-C lets running workers end first; a second one cuts them off),
141 nobody reads the output on
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What was asked for, read and checked."""

    file: TicketFile
    tickets: Sequence[Ticket]
    data: Path
    database: Path | None
    is_json: bool
    max_tickets: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _build_parser().parse_args(arguments)
    try:
        job = _read_job(options)
        return asyncio.run(_run_in_folder(job))
    except il.InterlockError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return _USAGE
    except OSError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return _WRONG
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return _INTERRUPTED


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.retail_desk",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tickets",
        required=True,
        type=Path,
        metavar="FILE",
        help='a JSON file {"tasks": [{"id", "user_id", "instruction", "actions"}]}; tickets with '
        '"final_db_sha256" are compared with it',
    )
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="a folder with orders.json, products.json and users.json: the shop before any ticket",
    )
    parser.add_argument(
        "--only", nargs="+", action="extend", metavar="ID", help="answer only these tickets"
    )
    parser.add_argument(
        "--db",
        type=Path,
        metavar="PATH",
        help="keep journal and results in this SQLite file, and each ticket's shop in PATH.shops/. "
        "Calling again with the same files goes on where the last call stopped: finished tickets "
        "are not run again. Left out, everything is deleted at the end",
    )
    parser.add_argument(
        "--parallel",
        type=_parse_count,
        default=8,
        metavar="N",
        help="tickets at once (default: %(default)s)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        dest="is_json",
        help="print one JSON object a ticket, as each ends: id, status, steps, attempts, handoffs, "
        "final_hash, expected_hash, ok",
    )
    return parser


def _parse_count(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 1 or more")
    return count


def _read_job(options: argparse.Namespace) -> _Job:
    """Read and check all that was named, before anything is made.

    Raises:
        InputFileError: The ticket file cannot be used.
        ConfigurationError: A ticket that `--only` names is not in it.
    """
    file = load_tickets(options.tickets)
    return _Job(
        file=file,
        tickets=_select(file, options.only, source=options.tickets),
        data=options.data,
        database=options.db,
        is_json=options.is_json,
        max_tickets=options.parallel,
    )


def _select(file: TicketFile, only: Sequence[str] | None, *, source: Path) -> Sequence[Ticket]:
    tickets = file.index_tickets()
    if only is None:
        return file.tasks
    for ticket_id in only:
        if ticket_id not in tickets:
            _refuse_unknown(ticket_id, tickets, source=source)
    return [tickets[ticket_id] for ticket_id in dict.fromkeys(only)]


def _refuse_unknown(ticket_id: str, known: Sequence[str], *, source: Path) -> NoReturn:
    nearest = ", ".join(get_close_matches(ticket_id, known, cutoff=0))
    raise il.ConfigurationError(
        f"--only names the ticket {ticket_id!r}, which {source} does not have. "
        f"Nearest of its {len(known)} tickets: {nearest}. Correct the id."
    )


async def _run_in_folder(job: _Job) -> int:
    with tempfile.TemporaryDirectory(prefix="retail-desk-") as name:
        folder = Path(name)
        with Shop.create(folder / "template.db", data=job.data) as template:
            _warn_of_other_data(job, template)
            database = job.database or folder / "desk.db"
            shops_folder = database.with_name(database.name + ".shops")
            async with il.open_storage(f"sqlite:///{quote(str(database))}") as storage:
                with lock_folder(shops_folder):
                    desk = TicketDesk(
                        storage,
                        TicketShops(template, folder=shops_folder),
                        planner=TicketPlanner(job.file.tasks),
                        max_tickets=job.max_tickets,
                    )
                    return await _answer_all(job, desk)


def _warn_of_other_data(job: _Job, template: Shop) -> None:
    expected = job.file.initial_db_sha256
    seen = template.derive_hash()
    if expected not in {None, seen}:
        print(
            f"warning: the tickets were recorded on a shop with the hash {expected}, and {job.data} "
            f"has {seen}; their recorded final states cannot be expected here.",
            file=sys.stderr,
        )


async def _answer_all(job: _Job, desk: TicketDesk) -> int:
    progress = Progress(
        len(job.tickets),
        is_json=job.is_json,
        when_lost=lambda: desk.drain("stdout takes no more"),
    )
    reports: list[TicketReport] = []
    failures: list[str] = []

    async def answer(ticket: Ticket) -> None:
        try:
            report = await desk.answer(ticket)
        except il.InterlockError as exc:
            failures.append(ticket.id)
            progress.show_failure(ticket, exc)
        else:
            if report is not None:
                reports.append(report)
                progress.show_report(report)

    with progress, _stop_on_signals(desk, progress):
        async with asyncio.TaskGroup() as group:
            for ticket in job.tickets:
                group.create_task(answer(ticket))
    code = _conclude(job, reports, failures, seconds=progress.seconds)
    return code if progress.output_error is None else _say_what_is_lost(progress.output_error)


def _stop_on_signals(desk: TicketDesk, progress: Progress) -> AbstractContextManager[None]:
    """Return a block in which Ctrl-C and SIGTERM stop the desk cleanly."""

    def stop(number: signal.Signals) -> None:
        name = number.name
        progress.say(f"{name}: running workers may end; press Ctrl-C again to cut them off")
        desk.drain(name)

    return catch_signals((signal.SIGINT, signal.SIGTERM), stop)


def _conclude(
    job: _Job, reports: Sequence[TicketReport], failures: Sequence[str], *, seconds: float
) -> int:
    order = {ticket.id: place for place, ticket in enumerate(job.tickets)}
    in_order = sorted(reports, key=lambda report: order[report.ticket.id])
    left = len(job.tickets) - len(reports) - len(failures)
    show_summary(in_order, failed=len(failures), left=left, seconds=seconds, is_json=job.is_json)
    if left:
        _say_how_to_resume(job, left)
        return _INTERRUPTED
    return _RIGHT if not failures and all(report.is_right for report in reports) else _WRONG


def _say_how_to_resume(job: _Job, left: int) -> None:
    if job.database is None:
        words = "Nothing was kept: name a file with --db next time, to be able to go on."
    else:
        words = f"Go on with the same command (--db {job.database}); what is done is kept."
    print(f"Stopped with {left} ticket{'s' * (left != 1)} unfinished. {words}", file=sys.stderr)


def _say_what_is_lost(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        return _PIPE_CLOSED
    print(f"error: stdout takes no more ({error.strerror}).", file=sys.stderr)
    return _WRONG


if __name__ == "__main__":
    sys.exit(main())
