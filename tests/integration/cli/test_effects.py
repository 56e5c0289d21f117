"""`effects`: what tools changed outside on a thread, for people and for programs."""

import re

import pytest

from interlock.contracts.effects import RecordedError
from tests.integration.cli.desk_app import HOSTILE
from tests.integration.cli.ledger_filling import Filler, build_call
from tests.integration.cli.shell import Done, Shell, require_clean
from tests.integration.cli.test_terminal import open_terminal

AT_DESK = ("--team", "app:desk")


@pytest.fixture
def filler(shell: Shell) -> Filler:
    """The database of the team in the folder."""
    return Filler(shell.folder)


@pytest.fixture
def filled(shell: Shell, filler: Filler) -> dict[str, str]:
    """Tool to key of a thread's effects: done and called twice, failed, unknown, and started."""
    keys = {"pay_back": filler.finish(build_call(), answer={"refund": 7})}
    filler.reserve(build_call(attempt="refund@1f0a#2"))
    error = RecordedError(type="shop.RefusedError", message="no such address")
    keys["mail"] = filler.finish(build_call(step="tell", tool="mail"), "failed", error=error)
    keys["charge"] = filler.finish(
        build_call(tool="charge", is_irreversible=True), "unknown", note="the line went dead"
    )
    keys["print"] = filler.reserve(build_call(step="tell", tool="print")).record.key
    return keys


def flatten(done: Done) -> str:
    """Return what a command printed on one line, without the blanks that set it in."""
    return " ".join(done.out.split())


def test_effects_are_listed_oldest_first(shell: Shell, filled: dict[str, str]) -> None:
    """Each effect is told in words: its state, its call, who called, what came of it."""
    done = shell.call("effects", "t17", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    heads = re.findall(
        r"^\d\d:\d\d:\d\d  (\w+) +(\w+)\(order='#W1', cents=5000\)$", done.out, re.MULTILINE
    )
    assert heads == [
        ("done", "pay_back"),
        ("failed", "mail"),
        ("unknown", "charge"),
        ("started", "print"),
    ]
    shown = flatten(done)
    assert (
        'refund #1, #2 by clerk answer: {"refund": 7} stands; 1 duplicate answered from the ledger'
    ) in shown
    assert "tell #1 by clerk error RefusedError: no such address" in shown
    assert "refund #1 by clerk may stand, irreversible; the line went dead" in shown
    assert re.search(
        r"tell #1 by clerk may stand; running as far as is known, begun \d{4}-\d\d-\d\d .* by process",
        shown,
    )
    assert (
        "4 effects: 1 done, 1 failed, 1 unknown, 1 started; 1 duplicate answered from the ledger"
    ) in done.out.splitlines()
    assert filled["pay_back"] not in done.out


def test_an_unknown_effect_comes_with_lines_to_paste(shell: Shell, filled: dict[str, str]) -> None:
    """The closing lines name the unknown effect and settle it as they stand."""
    done = shell.call("effects", "t17", *AT_DESK)
    lines = done.find_lines("interlock effects settle t17", filled["charge"], "--team app:desk")
    assert [re.findall(r"--(?:not-)?happened|--answer", line) for line in lines] == [
        ["--happened", "--answer"],
        ["--happened"],
        ["--not-happened"],
    ]
    (shell.folder / "answer.json").write_text('{"charge": 9}', encoding="utf-8")
    assert shell.paste(lines[0]).code == 0
    (record,) = [
        effect
        for effect in shell.call("effects", "t17", *AT_DESK, "--json").data["effects"]
        if effect["key"] == filled["charge"]
    ]
    assert (record["state"], record["answer"]) == ("done", {"charge": 9})
    assert (record["settled_by"], record["note"]) == ("person", "how you know")


def test_all_that_is_known_is_shown_in_full(shell: Shell, filled: dict[str, str]) -> None:
    """--full adds keys, arguments, answers, every call and every change of state."""
    done = shell.call("effects", "t17", "--full", *AT_DESK)
    shown = flatten(done)
    assert all(f"key {key}" in shown for key in filled.values())
    assert 'arguments { "order": "#W1", "cents": 5000 } answer { "refund": 7 }' in shown
    assert re.search(r"calls \S+ began refund@1f0a#1 #0 \S+ again refund@1f0a#2 #0", shown)
    assert re.search(r"history \S+ try 1 started tool \S+ try 1 unknown tool: the line", shown)


def test_programs_read_effects_by_stable_names(shell: Shell, filled: dict[str, str]) -> None:
    """--json is one document: every record whole, with what stands, and the counts."""
    data = shell.call("effects", "t17", *AT_DESK, "--json").data
    assert set(data) == {"thread_id", "effects", "counts", "duplicates"}
    assert data["counts"] == {"done": 1, "failed": 1, "unknown": 1, "started": 1}
    assert data["duplicates"] == 1
    first, failed, unknown, started = data["effects"]
    assert [e["key"] for e in data["effects"]] == list(filled.values())
    assert [e["stands"] for e in data["effects"]] == [True, False, True, True]
    assert (first["arguments"], first["answer"]) == (
        {"order": "#W1", "cents": 5000},
        {"refund": 7},
    )
    assert [(use["attempt"], use["did_start"]) for use in first["uses"]] == [
        ("refund@1f0a#1", True),
        ("refund@1f0a#2", False),
    ]
    assert failed["error"]["message"] == "no such address"
    assert [move["state"] for move in unknown["moves"]][-2:] == ["started", "unknown"]
    assert (started["ended_at"], started["duplicates"]) == (None, 0)


def test_one_step_can_be_listed(shell: Shell, filled: dict[str, str]) -> None:
    """--step lists a step's effects only; a step that has none is told apart from a typo."""
    done = shell.call("effects", "--step", "tell", "t17", *AT_DESK)
    assert "2 effects: 1 failed, 1 started" in done.out.splitlines()
    mistyped = shell.call("effects", "t17", "--step", "refnd", *AT_DESK)
    assert mistyped.code == 0
    assert mistyped.out == "No effects of step 'refnd'. Did you mean 'refund'?\n"


def test_a_scope_outside_runs_is_listed_too(shell: Shell, filler: Filler) -> None:
    """Effects of a scope that no run belongs to are listed like those of a thread."""
    filler.finish(build_call("tenant-7/nightly", step=""), answer="sent")
    done = shell.call("effects", "tenant-7/nightly", *AT_DESK)
    assert done.code == 0
    assert "outside a run answer: sent stands" in flatten(done)


def test_a_run_without_effects_says_so(shell: Shell) -> None:
    """A run whose workers called no guarded tool has no effects, which is no error."""
    shell.call("run", "app:desk", "degrade", "--thread", "t17")
    done = shell.call("effects", "t17", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    assert done.out == "No effects: no guarded tool was called on this thread.\n"
    data = shell.call("effects", "t17", *AT_DESK, "--json").data
    assert data == {"thread_id": "t17", "effects": [], "counts": {}, "duplicates": 0}


@pytest.mark.parametrize(
    "command",
    [
        ("effects", "t71"),
        ("effects", "settle", "t71", "e-1", "--happened"),
        ("effects", "forget", "--older-than", "1d", "--thread", "t71"),
    ],
)
def test_an_unknown_thread_is_an_error(
    shell: Shell, filled: dict[str, str], command: tuple[str, ...]
) -> None:
    """A thread with neither run nor effects is a mistake, with the line that lists the runs."""
    refused = shell.call(*command, *AT_DESK)
    assert (refused.code, refused.out) == (2, "")
    assert "No run was ever started on thread 't71'" in refused.err
    (line,) = refused.find_lines("status")
    assert shell.type(line).code == 0


def test_a_thread_that_is_called_like_a_command(shell: Shell, filler: Filler) -> None:
    """It is named after --, and the lines that are shown do so."""
    key = filler.finish(build_call("settle"), "unknown")
    done = shell.call("effects", *AT_DESK, "--", "settle")
    assert "1 effect: 1 unknown" in done.out.splitlines()
    settle = done.find_lines("--not-happened")[0]
    assert shell.type(settle).code == 0
    refused = shell.call("effects", "settle", "settle", f"{key}0", "--happened", *AT_DESK)
    (line,) = refused.find_lines("interlock effects")
    assert "1 effect: 1 intended" in shell.type(line).out.splitlines()


@pytest.mark.parametrize("option", [(), ("--full",), ("--json",)])
def test_no_tool_steers_the_terminal(shell: Shell, filler: Filler, option: tuple[str, ...]) -> None:
    """Whatever a tool is called, is called with or answers, the page is printable and honest."""
    hostile = {"tool": HOSTILE, "arguments": {HOSTILE: HOSTILE}, "worker": HOSTILE}
    error = RecordedError(type=HOSTILE, message=HOSTILE)
    filler.finish(build_call(**hostile), answer={HOSTILE: HOSTILE})
    filler.finish(build_call(**hostile, attempt=HOSTILE), "failed", error=error, note=HOSTILE)
    filler.finish(build_call(step="b", **hostile), "unknown", note=HOSTILE)
    done = shell.call("effects", "t17", *AT_DESK, *option)
    assert done.code == 0
    require_clean(done.out)
    assert "[bold]loud[/bold] [/]" in done.out
    assert not re.search(r"^(FAKE|12:00:00Z)", done.out, re.MULTILINE)


def test_the_list_fits_a_terminal(shell: Shell, filled: dict[str, str]) -> None:
    """On 80 columns nothing is broken but lines to paste, which stay whole."""
    with open_terminal(shell, "effects", "t17", *AT_DESK, columns=80) as terminal:
        assert terminal.finish() == 0
    lines = [line.rstrip() for line in terminal.text.split("\n")]
    assert max(len(line) for line in lines if "interlock" not in line) <= 80
    assert sum("interlock effects settle t17" in line for line in lines) == 3
    assert "\x1b[1;33munknown" in terminal.raw


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("t17", "settle"), "unexpected extra argument"),
        (("t17", "--happened"), "No such option: --happened"),
        (("--json",), "Name a THREAD"),
        (("t17", "--storage", "sqlite:///none.db"), "no database 'none.db'"),
        (("t17", "--storage", "memory://"), "lives in the memory of the process"),
    ],
)
def test_a_mistyped_list_exits_with_2(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    """What is not understood is refused in words, and no database is made."""
    done = shell.call("effects", *arguments)
    assert done.code == 2
    assert words in done.out + done.err
    assert not (shell.folder / "none.db").exists()


def test_the_help_explains_what_an_effect_is(shell: Shell) -> None:
    """Every state has its line, and each thing that can be done has an example."""
    page = shell.call("effects", "--help").out
    assert "An effect is one change that a guarded tool makes outside" in page
    for state in ("done", "failed", "unknown", "started", "intended", "undone"):
        assert re.search(rf"^ {state} +it ", page, re.MULTILINE)
    for example in ("effects t17 --team", "effects settle t17 e-1a2b", "effects forget --older"):
        assert f"interlock {example}" in page
    assert shell.call("effects").out.split() == page.split()
