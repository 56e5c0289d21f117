"""What the retail desk says of files it cannot use: one line, exit code 2, nothing left behind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.retail_desk.__main__ import main
from interlock.demo.packaged_data import DATA_FOLDER, TICKETS_FILE
from tests.integration.examples.example_calls import ExampleCalls

TICKET = {"id": "t", "user_id": "u", "instruction": "Help.", "actions": []}


def spoil_tickets(folder: Path, text: str) -> list[str]:
    """Return arguments that name a ticket file with this text."""
    (folder / "tickets.json").write_text(text, encoding="utf-8")
    return ["--tickets", str(folder / "tickets.json"), "--data", str(DATA_FOLDER)]


def spoil_data(folder: Path, **texts: str | None) -> list[str]:
    """Return arguments that name a data folder with these files changed, or left out."""
    (folder / "data").mkdir()
    for name in ("orders", "products", "users"):
        text = texts.get(name, (DATA_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        if text is not None:
            (folder / "data" / f"{name}.json").write_text(text, encoding="utf-8")
    return ["--tickets", str(TICKETS_FILE), "--data", str(folder / "data")]


def spoil_action(folder: Path, action: str) -> list[str]:
    """Return arguments that name a ticket file with this action."""
    ticket = json.dumps(TICKET).replace("[]", f"[{action}]")
    return spoil_tickets(folder, f'{{"tasks": [{ticket}]}}')


GOOD = ["--tickets", str(TICKETS_FILE), "--data", str(DATA_FOLDER)]
CASES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "no ticket file": (lambda p: [*GOOD, "--tickets", str(p / "no")], "there is no such file"),
    "a folder": (lambda p: [*GOOD, "--tickets", str(p)], "reading it failed"),
    "not JSON": (lambda p: spoil_tickets(p, "{oops"), "it is not JSON"),
    "no JSON number": (lambda p: spoil_tickets(p, '{"tasks": NaN}'), "NaN is no JSON number"),
    "a list": (lambda p: spoil_tickets(p, "[]"), "the whole: Input should be"),
    "no tasks": (lambda p: spoil_tickets(p, '{"tickets": []}'), "tasks: Field required"),
    "empty tasks": (lambda p: spoil_tickets(p, '{"tasks": []}'), "there is no ticket"),
    "a number as id": (
        lambda p: spoil_tickets(p, json.dumps({"tasks": [{**TICKET, "id": 7}]})),
        "tasks[0].id: Input should be a valid string",
    ),
    "an id twice": (
        lambda p: spoil_tickets(p, json.dumps({"tasks": [TICKET, TICKET]})),
        "the id 't' is used 2 times",
    ),
    "an unknown tool": (
        lambda p: spoil_action(p, '{"name": "cancel_order", "kwargs": {}}'),
        "tasks[0].actions[0].name: the shop has no tool 'cancel_order'; nearest are cancel_pending",
    ),
    "a lone surrogate": (
        lambda p: spoil_action(p, r'{"name": "think", "kwargs": {"thought": "\ud800"}}'),
        "tasks[0].actions[0].kwargs.thought: a lone surrogate",
    ),
    "an infinite number": (
        lambda p: spoil_action(p, '{"name": "think", "kwargs": {"thought": [1e999]}}'),
        "tasks[0].actions[0].kwargs.thought[0]: inf",
    ),
    "a huge number": (
        lambda p: spoil_action(p, f'{{"name": "think", "kwargs": {{"thought": {2**70}}}}}'),
        "tasks[0].actions[0].kwargs.thought: an integer of 71 bits",
    ),
    "no data folder": (lambda p: [*GOOD, "--data", str(p / "no")], "orders.json cannot be used"),
    "no users": (lambda p: spoil_data(p, users=None), "users.json cannot be used: there is no"),
    "bad products": (lambda p: spoil_data(p, products="{"), "products.json cannot be used"),
    "a list of orders": (lambda p: spoil_data(p, orders="[]"), "it holds a list"),
    "half an order": (lambda p: spoil_data(p, orders='{"#W1": {}}'), "'#W1' lacks items, order_id"),
    "an unknown ticket": (
        lambda _: [*GOOD, "--only", "retail-test-0", "retail-test-99999"],
        "--only names the ticket 'retail-test-99999'",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_unusable_file_is_explained_and_nothing_is_made(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    """The error is a line on stderr that says what was seen where; no file appears anywhere."""
    spoil, seen = CASES[case]
    arguments = spoil(tmp_path)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = sorted(tmp_path.rglob("*"))
    code = main([*arguments, "--json", "--db", str(tmp_path / "desk.db")])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert seen in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("no/desk.db", "does not exist"),
        ("text.db", "is not an SQLite database"),
        ("folder.db", "names a folder"),
    ],
)
def test_an_unusable_database_is_explained_and_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, seen: str
) -> None:
    """`--db` names a file in a folder that is there; another program's file is not touched."""
    (tmp_path / "text.db").write_text("my shopping list")
    (tmp_path / "folder.db").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert main([*GOOD, "--db", str(tmp_path / name)]) == 2
    assert seen in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "text.db").read_text() == "my shopping list"


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        (["--parallel", "0"], "0 is not a whole number of 1 or more"),
        (["--parallel", "many"], "many is not a whole number of 1 or more"),
        (["--only"], "expected at least one argument"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_wrong_arguments_are_explained(
    capsys: pytest.CaptureFixture[str], arguments: list[str], seen: str
) -> None:
    """The usage is shown with what is wrong."""
    with pytest.raises(SystemExit) as caught:
        main([*GOOD, *arguments])
    assert caught.value.code == 2
    assert seen in capsys.readouterr().err


def test_a_process_leaves_with_the_code_and_no_traceback(calls: ExampleCalls) -> None:
    """From the shell, too: one line on stderr and exit code 2."""
    done = calls.run("--tickets", "nowhere.json", "--data", DATA_FOLDER)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert list(calls.temporary.iterdir()) == []
