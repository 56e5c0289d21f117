"""Tickets: what customers asked for, and the calls to the shop that answer it.

Read from a file whose `tasks` are tickets in the benchmark's form; what the file holds
beyond that is ignored. Called by the planner and by whoever runs tickets.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, ValidationError

from interlock.contracts.errors import PlainValueError
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.plain import parse_plain
from interlock.demo.input_file import InputFileError, load_json_file
from interlock.demo.shop import TOOLS

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

MAX_PROBLEMS_SHOWN: Final = 5
_REMEDY: Final = (
    'Name a file of the form {"tasks": [{"id": ..., "user_id": ..., "instruction": ..., '
    '"actions": [{"name": ..., "kwargs": {...}}]}]}.'
)


class TicketAction(FrozenModel):
    """One recorded call to the shop.

    Attributes:
        name: The tool.
        kwargs: Its arguments by name.
        obs_sha256: SHA-256 of the exact answer, if recorded.
        error: The refusal, if the shop rightly refuses the call.
    """

    model_config = ConfigDict(extra="ignore")

    name: str
    kwargs: dict[str, Any] = {}
    obs_sha256: Sha256 | None = None
    error: str | None = None


class Ticket(FrozenModel):
    """One customer's request.

    Attributes:
        id: Unique in its file.
        user_id: The customer.
        instruction: The request in the customer's words.
        actions: The right calls, in the recorded order.
        final_db_sha256: Hash of the shop's state after them, if recorded.
    """

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(min_length=1)]
    user_id: str
    instruction: str
    actions: tuple[TicketAction, ...]
    final_db_sha256: Sha256 | None = None


class TicketFile(FrozenModel):
    """The tickets of one file, in its order.

    Attributes:
        tasks: The tickets, under the name that the file gives them.
        initial_db_sha256: Hash of the shop's state before each of them, if recorded.
        all_final_db_sha256: Hash of the state after all of them on one shop, if recorded.
    """

    model_config = ConfigDict(extra="ignore")

    tasks: tuple[Ticket, ...]
    initial_db_sha256: Sha256 | None = None
    all_final_db_sha256: Sha256 | None = None

    def index_tickets(self) -> Mapping[str, Ticket]:
        """Return the tickets by id, in file order."""
        return {ticket.id: ticket for ticket in self.tasks}


def load_tickets(path: Path) -> TicketFile:
    """Return the tickets of a file.

    Raises:
        InputFileError: It is missing, not JSON, or holds something else; says where.
    """
    return parse_tickets(load_json_file(path, remedy=_REMEDY), source=str(path))


def parse_tickets(value: object, *, source: str) -> TicketFile:
    """Return the tickets that a JSON value holds.

    Args:
        value: An object with `tasks`.
        source: Where it came from, for the error.

    Raises:
        InputFileError: It has another form, names a tool that the shop does not have, uses an
            id twice, or holds arguments that no brief can carry.
    """
    try:
        parsed = TicketFile.model_validate(value)
    except ValidationError as exc:
        problems = [_word_problem(error["loc"], error["msg"]) for error in exc.errors()]
        raise _refuse(source, problems) from exc
    problems = [
        *_find_repeated_ids(parsed),
        *_find_unknown_tools(parsed),
        *_find_bad_arguments(parsed),
    ]
    if not parsed.tasks:
        problems.append("tasks: there is no ticket")
    if problems:
        raise _refuse(source, problems)
    return parsed


def _refuse(source: str, problems: Sequence[str]) -> InputFileError:
    shown = "; ".join(problems[:MAX_PROBLEMS_SHOWN])
    hidden = len(problems) - MAX_PROBLEMS_SHOWN
    seen = f"{shown}; and {hidden} more" if hidden > 0 else shown
    return InputFileError(path=source, seen=seen, remedy=_REMEDY)


def _word_problem(location: Sequence[str | int], message: str) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{place.lstrip('.') or 'the whole'}: {message}"


def _find_repeated_ids(tickets: TicketFile) -> list[str]:
    counts = Counter(ticket.id for ticket in tickets.tasks)
    return [f"the id {key!r} is used {count} times" for key, count in counts.items() if count > 1]


def _find_unknown_tools(tickets: TicketFile) -> list[str]:
    return [
        f"tasks[{index}].actions[{place}].name: the shop has no tool {action.name!r}; nearest are "
        f"{', '.join(get_close_matches(action.name, TOOLS, cutoff=0)) or 'none'}"
        for index, ticket in enumerate(tickets.tasks)
        for place, action in enumerate(ticket.actions)
        if action.name not in TOOLS
    ]


def _find_bad_arguments(tickets: TicketFile) -> Iterator[str]:
    """Yield where arguments are no plain values: lone surrogates, infinite or huge numbers."""
    for index, ticket in enumerate(tickets.tasks):
        for place, action in enumerate(ticket.actions):
            try:
                parse_plain(action.kwargs, name="kwargs")
            except PlainValueError as exc:
                yield f"tasks[{index}].actions[{place}].{exc.path}: {exc.seen}"
