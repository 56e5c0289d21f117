"""The retail desk example through its front door: whole ticket files, as a process of its own.

Expected states come from the benchmark, or from an oracle written from the tools' description.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from examples.retail_desk.__main__ import main
from tests.integration.cli.shell import Done
from tests.integration.examples.drawn_tickets import TicketDraw
from tests.integration.examples.example_calls import (
    DATA,
    TICKETS,
    ExampleCalls,
    index_rows,
    load_json,
    require_all_right,
)
from tests.integration.examples.shop_data import load_tables, make_other_data, write_data

TICKET = {"id": "t", "user_id": "u", "instruction": "Help.", "actions": []}


def write_tickets(path: Path, *tickets: dict[str, Any]) -> Path:
    """Write a ticket file."""
    path.write_text(json.dumps({"tasks": tickets}), encoding="utf-8")
    return path


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Done:
    """Call the example with `--json` within this process."""
    code = main([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return Done(code=code, out=out, err=err)


@pytest.mark.slow
def test_all_recorded_tickets_complete_in_the_recorded_state(calls: ExampleCalls) -> None:
    """Each of the 115 tickets is one line, completed, with the recorded hash; the exit code is 0."""
    recorded = {ticket["id"]: ticket for ticket in load_json(TICKETS)["tasks"]}
    done = calls.run("--tickets", TICKETS, "--data", DATA, "--json")
    assert done.code == 0, done.err
    rows = index_rows(done)
    require_all_right(rows)
    assert rows.keys() == recorded.keys()
    assert len(rows) == 115
    for key, row in rows.items():
        steps = len(recorded[key]["actions"]) + 1  # and the report
        assert row["final_hash"] == recorded[key]["final_db_sha256"]
        assert (row["steps"], row["attempts"]) == (steps, steps)
        assert row["handoffs"] == 2 * steps + 1  # briefs, outputs, and the plan
    assert list(calls.temporary.iterdir()) == []


def test_only_the_named_tickets_are_answered_and_shown_as_a_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`--only` may come more than once; without `--json` a table ends with the sums."""
    named = ["--only", "retail-test-5", "retail-test-0", "--only", "retail-test-5"]
    assert main(["--tickets", str(TICKETS), "--data", str(DATA), *named]) == 0
    heading, *lines, sums = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["ticket", "status"]
    assert [line.split()[:2] for line in lines] == [
        ["retail-test-5", "completed"],
        ["retail-test-0", "completed"],
    ]
    assert all(line.endswith(" as expected") for line in lines)
    assert sums.startswith("2 tickets: 2 as expected, 0 not. ")


@pytest.mark.slow
def test_drawn_tickets_end_in_the_described_state(calls: ExampleCalls, tmp_path: Path) -> None:
    """Tickets that nobody recorded, over other data, end as the tools' description asks."""
    tables = make_other_data(load_tables())
    drawn = TicketDraw(tables, seed=24).draw_tickets(16)
    tickets = write_tickets(tmp_path / "drawn.json", *drawn)
    data = write_data(tmp_path / "data", tables)
    done = calls.run("--tickets", tickets, "--data", data, "--json")
    assert done.code == 0, done.err
    rows = index_rows(done)
    require_all_right(rows)
    assert len(rows) == len(drawn)
    assert len({row["final_hash"] for row in rows.values()}) > 5


def test_tickets_of_any_content_are_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without actions, with odd ids, odd arguments and no recorded state: each is completed."""
    address = dict.fromkeys(("address1", "address2", "city", "state", "country", "zip"), "ü\u202e")
    actions: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "nothing to do": [],
        "../../etc/passwd \n\x1b[31m ü": [("think", {"thought": "a\0b"})],
        "x" * 500: [("transfer_to_human_agents", {"summary": ""}), ("calculate", {})],
        "types": [
            ("get_order_details", {"order_id": 1.5}),
            ("cancel_pending_order", {"order_id": ["#W8665881"], "reason": None}),
            ("modify_user_address", {**address, "user_id": "fatima_johnson_7581", "zip": 8000}),
            ("get_user_details", {"user_id": {"a": [1, {"b": None}]}}),
            ("think", {"thought": "x", "": 1, "records": 2, "self": 3}),
        ],
        "unknown": [("modify_pending_order_address", {**address, "order_id": "#W0"})] * 2,
        "many": [("list_all_product_types", {})] * 60,
    }
    tickets = [
        {**TICKET, "id": key, "actions": [{"name": n, "kwargs": k} for n, k in calls]}
        for key, calls in actions.items()
    ]
    path = write_tickets(tmp_path / "tickets.json", *tickets)
    done = call(capsys, "--tickets", path, "--data", DATA, "--db", tmp_path / "a b%20?#.db")
    assert done.code == 0, done.err
    rows = index_rows(done)
    initial = load_json(TICKETS)["initial_db_sha256"]
    assert rows.keys() == actions.keys()
    for key, row in rows.items():
        assert (row["status"], row["final_hash"]) == ("completed", initial), row
        assert (row["steps"], row["expected_hash"]) == (len(actions[key]) + 1, None)
    assert "\x1b" not in done.err
    assert (tmp_path / "a b%20?#.db").is_file()
    assert not list(tmp_path.glob("**/passwd*"))


def test_a_ticket_that_ends_otherwise_is_said_to_and_fails_the_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recorded state that is not reached shows in the report, in words and in the exit code."""
    wrong, right = load_json(TICKETS)["tasks"][:2]
    wrong["final_db_sha256"] = "0" * 64
    path = write_tickets(tmp_path / "tickets.json", wrong, right)
    done = call(capsys, "--tickets", path, "--data", DATA)
    rows = index_rows(done)
    assert done.code == 5
    assert rows[wrong["id"]]["expected_hash"] == "0" * 64
    assert rows[wrong["id"]]["final_hash"] != "0" * 64
    assert "EXPECTED 00000000" in done.err
    require_all_right({right["id"]: rows[right["id"]]})


def test_a_product_list_may_be_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shop without a record answers too: with an empty list, and with refusals."""
    data = write_data(tmp_path / "data", {"orders": {}, "products": {}, "users": {}})
    calls = [{"name": "list_all_product_types", "kwargs": {}}]
    calls.append({"name": "find_user_id_by_email", "kwargs": {"email": "ü@example.com"}})
    path = write_tickets(tmp_path / "tickets.json", {**TICKET, "actions": calls})
    done = call(capsys, "--tickets", path, "--data", data)
    assert done.code == 0, done.err
    (row,) = done.events
    state = "(('orders', ()), ('products', ()), ('users', ()))"
    expected = hashlib.sha256(state.encode()).hexdigest()
    assert (row["status"], row["final_hash"]) == ("completed", expected)
