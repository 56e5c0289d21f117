"""Ticket files: what is read, and what is said of a bad one."""

import json
from pathlib import Path

import pytest

from interlock.demo.input_file import InputFileError
from interlock.demo.ticket_turns import derive_footprint
from interlock.demo.tickets import TicketFile, load_tickets, parse_tickets

CALL = {"name": "get_user_details", "kwargs": {"user_id": "u"}}
TICKET = {"id": "t", "user_id": "u", "instruction": "help", "actions": [CALL]}


def test_a_dozen_packaged_tickets_share_no_record(packaged: TicketFile) -> None:
    """The packaged tickets are twelve, and no two name the same customer or order."""
    footprints = [derive_footprint(ticket) for ticket in packaged.tasks]
    assert len(footprints) == 12
    assert len(frozenset().union(*footprints)) == sum(map(len, footprints))


def test_hashes_are_optional_and_more_is_ignored() -> None:
    """A ticket without recorded results is read; unknown members are left alone."""
    tickets = parse_tickets({"tasks": [{**TICKET, "mood": "bad"}], "by": "me"}, source="f")
    assert tickets.tasks[0].final_db_sha256 is None


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ([], "the whole: "),
        ({}, "tasks: Field required"),
        ({"tasks": []}, "tasks: "),
        ({"tasks": [{**TICKET, "actions": [{"kwargs": {}}]}]}, r"tasks\[0\].actions\[0\].name"),
        ({"tasks": [TICKET, TICKET]}, "the id 't' is used 2 times"),
        (
            {"tasks": [{**TICKET, "actions": [{"name": "get_user"}]}]},
            "no tool 'get_user'; nearest are get_user_details",
        ),
        ({"tasks": [{**TICKET, "final_db_sha256": "x"}]}, "final_db_sha256"),
        ({"tasks": [{}, {}]}, "and 3 more"),
    ],
)
def test_a_bad_ticket_file_is_explained(value: object, seen: str) -> None:
    """The error says where, what was seen, and what form is expected."""
    with pytest.raises(InputFileError, match=seen) as caught:
        parse_tickets(value, source="mine.json")
    assert "mine.json" in str(caught.value)
    assert "Name a file of the form" in str(caught.value)


def test_a_file_is_named_in_its_error(tmp_path: Path) -> None:
    """A missing file and a folder are refused by path; a good file is read."""
    path = tmp_path / "tickets.json"
    with pytest.raises(InputFileError, match="no such file"):
        load_tickets(path)
    with pytest.raises(InputFileError, match="reading it failed"):
        load_tickets(tmp_path)
    path.write_text(json.dumps({"tasks": [TICKET]}))
    assert load_tickets(path).tasks[0].id == "t"
