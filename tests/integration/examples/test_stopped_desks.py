"""The retail desk killed or interrupted in the middle: the same command goes on where it stopped."""

import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import interlock as il
from examples.retail_desk.__main__ import main
from examples.retail_desk.desk_lock import lock_folder
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId
from interlock.demo.packaged_data import DATA_FOLDER, TICKETS_FILE
from tests.integration.cli.shell import finish
from tests.integration.examples.example_calls import (
    DATA,
    TICKETS,
    ExampleCalls,
    index_rows,
    load_json,
    require_all_right,
)
from tests.integration.examples.shop_data import load_tables
from tests.integration.examples.shop_oracle import ShopOracle

COUNT, SEEN = 16, 5
ORDER, CUSTOMER = "#W4923227", "ethan_garcia_1261"


def build_long_ticket() -> dict[str, Any]:
    """Return a ticket that writes first what no later call does again, and is long not done then."""
    home = dict.fromkeys(("address1", "address2", "city", "state", "country", "zip"), "")
    actions = [
        {
            "name": "cancel_pending_order",
            "kwargs": {"order_id": ORDER, "reason": "no longer needed"},
        },
        *(
            {
                "name": "modify_user_address",
                "kwargs": {**home, "user_id": CUSTOMER, "zip": str(number)},
            }
            for number in range(60)
        ),
    ]
    oracle = ShopOracle(load_tables())
    for action in actions:
        assert oracle.call(action["name"], action["kwargs"]) is not None
    return {
        "id": "long",
        "user_id": CUSTOMER,
        "instruction": "Cancel, and move often.",
        "actions": actions,
        "final_db_sha256": oracle.derive_hash(),
    }


async def load_journals(database: Path, ids: Iterable[str]) -> dict[str, list[Handoff]]:
    """Return each ticket's handoffs, as an outsider reads them."""
    async with il.open_storage(f"sqlite:///{database}") as storage:
        return {key: list(await storage.load_handoffs(ThreadId(key))) for key in ids}


def require_each_step_once(journal: list[Handoff]) -> None:
    """Fail if a step was accepted twice, or an attempt was handed in twice."""
    outputs = [(h.step_id, h.attempt) for h in journal if h.kind == "output"]
    accepted = [h.step_id for h in journal if h.verdict and h.verdict.action == "accept"]
    assert len(outputs) == len(set(outputs))
    assert len(accepted) == len(set(accepted))


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -9), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
)
async def test_the_same_command_goes_on_and_runs_nothing_twice(
    calls: ExampleCalls, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """All tickets end as expected, and the journals of those that had ended do not change."""
    database, path = tmp_path / "desk.db", tmp_path / "tickets.json"
    tickets = [build_long_ticket(), *load_json(TICKETS)["tasks"][:COUNT]]
    path.write_text(json.dumps({"tasks": tickets}), encoding="utf-8")
    ids = {ticket["id"] for ticket in tickets}
    command = ["--tickets", path, "--data", DATA, "--json", "--db", database]
    process = calls.start(*command)
    assert process.stdout is not None
    read = [process.stdout.readline() for _ in range(SEEN)]
    process.send_signal(number)
    stopped = finish(process, out="".join(read))
    assert stopped.code == code
    ended = index_rows(stopped)
    assert len(ended) >= SEEN
    assert "long" not in ended
    if number == signal.SIGINT:
        assert "SIGINT: running workers may end" in stopped.err
        left = len(ids) - len(ended)
        assert (
            f"Stopped with {left} tickets unfinished. Go on with the same command "
            f"(--db {database}); what is done is kept."
        ) in stopped.err, stopped.err
        assert list(calls.temporary.iterdir()) == []
    before = await load_journals(database, ids)
    assert [h.verdict.action for h in before["long"] if h.verdict][:1] == ["accept"]

    done = calls.run(*command)
    assert done.code == 0, done.err
    rows = index_rows(done)
    assert rows.keys() == ids
    require_all_right(rows)
    assert ended.items() <= rows.items()
    journals = await load_journals(database, ids)
    for key, journal in journals.items():
        assert journal[: len(before[key])] == before[key]
        assert key not in ended or journal == before[key]
        require_each_step_once(journal)
        assert rows[key]["handoffs"] == len(journal)
    assert done.err.count(": was finished before; completed, ") >= len(ended)
    assert "long: resumed; completed, " in done.err
    assert not list((tmp_path / "desk.db.shops").glob("retail-test-*.db"))


def test_without_a_database_nothing_is_kept_and_that_is_said(calls: ExampleCalls) -> None:
    """SIGTERM stops it as Ctrl-C does; no file stays behind."""
    command = ["--tickets", TICKETS_FILE, "--data", DATA_FOLDER, "--json", "--parallel", "1"]
    process = calls.start(*command)
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    done = finish(process, out=first)
    assert done.code == 130
    require_all_right(index_rows(done))
    assert "Nothing was kept: name a file with --db next time" in done.err
    assert list(calls.temporary.iterdir()) == []


def test_a_reader_that_leaves_ends_it_quietly(calls: ExampleCalls, tmp_path: Path) -> None:
    """Behind `| head` it stops cleanly without a traceback, and can go on."""
    command = ["--tickets", TICKETS_FILE, "--data", DATA_FOLDER, "--json"]
    command += ["--db", tmp_path / "desk.db"]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = calls.run(*command, "--parallel", "1", stdout=writer)
    finally:
        os.close(writer)
    assert done.code == 141
    assert "Traceback" not in done.err
    assert "Stopped with 11 tickets unfinished." in done.err


def test_two_calls_do_not_share_a_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While one call holds a database, another is refused at once; afterwards it is welcome."""
    command = ["--tickets", str(TICKETS_FILE), "--data", str(DATA_FOLDER), "--json"]
    command += ["--db", str(tmp_path / "desk.db"), "--only", "retail-test-0"]
    with lock_folder(tmp_path / "desk.db.shops"):
        assert main(command) == 2
        assert "Another process answers tickets in" in capsys.readouterr().err
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["ok"]


def test_other_tickets_under_the_same_ids_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database goes with the ticket file and the data it was begun with."""
    database = ["--db", str(tmp_path / "desk.db"), "--only", "retail-test-0"]
    assert main(["--tickets", str(TICKETS_FILE), "--data", str(DATA_FOLDER), *database]) == 0
    capsys.readouterr()
    assert main(["--tickets", str(TICKETS), "--data", str(DATA), *database]) == 5
    assert "started from another ticket file or other data" in capsys.readouterr().err
