"""`context`: facts for people and programs, their story, and a person's word on them."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.shell import Shell

AT_DESK = ("--team", "app:desk")
DESK = Path(__file__).with_name("context_desk.py")


@pytest.fixture
def desk(shell: Shell) -> Shell:
    """A folder in which two threads have run on one customer."""
    (shell.folder / "app.py").write_text(DESK.read_text("utf-8"), "utf-8")
    for thread in ("t17", "t18"):
        done = shell.call(
            "run",
            "app:desk",
            "Quote",
            "--thread",
            thread,
            "--context",
            '{"tier": "gold"}',
            "--space",
            "customer=c-42",
        )
        assert done.code == 0, done.out + done.err
    return shell


def ask(desk: Shell, *words: str) -> Any:
    """Return what the command says to programs."""
    done = desk.call("context", *words, *AT_DESK, "--json")
    assert done.code == 0, done.out + done.err
    return done.data


def look(desk: Shell, *words: str) -> str:
    """Return what the command shows to people."""
    done = desk.call("context", *words, *AT_DESK)
    assert (done.code, done.err) == (0, "")
    return done.out


def test_a_threads_facts_are_shown_with_who_put_them_there(desk: Shell) -> None:
    """A value, a version, a maker; nothing that a worker wrote steers the terminal."""
    shown = look(desk, "t18")
    lines = [line.split() for line in shown.splitlines()]
    assert ["price", "12"] in lines
    assert ["total", "120"] in lines
    assert "v2: step price, attempt 1 of worker price, " in shown
    assert "v1: given at the start of this thread, " in shown
    assert "v2 of customer/c-42: step quote, attempt 1 of worker quote, " in shown
    assert "4 facts; version 2" in shown
    assert "\x1b" not in shown
    assert "[bold]loud[/bold] FAKE" in shown


def test_programs_get_the_same_whole(desk: Shell) -> None:
    """Values, versions and provenance, as JSON."""
    data = ask(desk, "t17")
    assert {key: fact["value"] for key, fact in data["facts"].items() if key != "note"} == {
        "price": 12,
        "tier": "gold",
        "total": 120,
    }
    assert (data["version"], data["newest"], data["marks"], data["resting"]) == (2, 2, {}, {})
    made = data["facts"]["price"]["made"]
    assert (made["kind"], made["step_id"], made["attempt"]) == ("promotion", "price", 1)
    assert len(made["brief_hash"]) == 64


def test_an_earlier_version_is_shown_as_it_stood(desk: Shell) -> None:
    """Facts that came later are not in it; one that does not exist is refused in words."""
    assert set(ask(desk, "t17", "--version", "1")["facts"]) == {"tier"}
    assert "1 fact; version 1 of 2" in look(desk, "t17", "--version", "1")
    done = desk.call("context", "t17", "--version", "9", *AT_DESK)
    assert done.code == 2
    assert "has no version 9. It has 1 to 2." in done.err


def test_a_facts_story_tells_where_it_comes_from_and_what_rests_on_it(desk: Shell) -> None:
    """Step, brief, outputs and facts behind it; steps and facts that rest on it."""
    (version,) = ask(desk, "t17", "--why", "price")["versions"]
    assert version["outputs"] == []
    assert [(use["step_id"], use["attempt"]) for use in version["uses"]] == [("quote", 1)]
    assert version["dependents"] == [{"thread_id": "t17", "step_id": "mail"}]
    assert version["facts"] == [{"space": "space/customer/c-42", "key": "total", "version": 1}]
    total = ask(desk, "t18", "--why", "total")["versions"]
    assert [entry["outputs"] for entry in total] == [["price"], ["price"]]
    assert [source["key"] for source in total[0]["sources"]] == ["note", "price"]
    shown = look(desk, "t17", "--why", "price")
    for words in ("shown to", "quote (attempt 1)", "then behind", "mail", "passed", "positive"):
        assert words in shown
    assert "interlock handoffs t17 --step price --full --team app:desk" in shown
    done = desk.call("context", "t17", "--why", "prize", *AT_DESK)
    assert done.code == 2
    assert "holds no fact 'prize'. Did you mean 'price'?" in done.err


def test_a_retracted_fact_is_gone_and_what_rests_on_it_is_marked(desk: Shell) -> None:
    """In both threads' views, with the reason; nothing is retracted twice."""
    said = desk.call("context", "retract", "t17", "price", "--why", "old list", *AT_DESK)
    assert said.code == 0, said.err
    assert said.out.splitlines() == [
        "price retracted",
        "Recorded. No step is shown it any more. 1 fact that rested on it is marked.",
    ]
    shown = look(desk, "t17")
    assert "price  retracted" in shown
    assert "v3: retracted by a person, " in shown
    assert "step quote  price v2, which was retracted: old list" in shown
    assert "step mail  price v2, which was retracted: old list" in shown
    assert "4 facts" not in shown
    story = look(desk, "t18", "--why", "total")
    assert "rests on price v2 of thread t17, which was retracted: old list" in story
    again = desk.call("context", "retract", "t17", "price", "--why", "again", *AT_DESK)
    assert again.code == 2
    assert "holds no fact 'price'. Known: note, tier, total." in again.err


def test_a_corrected_fact_is_held_to_what_the_team_declares(desk: Shell) -> None:
    """Its type and the invariants; a value that fits stands from then on."""
    for value, words in (('"x"', "not what the fact is declared"), ("500", "nothing costs more")):
        done = desk.call("context", "correct", "t17", "price", value, "--why", "typo", *AT_DESK)
        assert done.code == 2, done.out
        assert words in done.err
    corrected = ask(desk, "correct", "t17", "price", "15", "--why", "typo")
    assert (corrected["fact"]["value"], corrected["fact"]["replaces"]) == (15, 2)
    assert [ref["key"] for ref in corrected["marked"]] == ["total"]
    assert ask(desk, "t17")["facts"]["price"]["value"] == 15
    assert desk.call("context", "correct", "t17", "price", "{", "--why", "x", *AT_DESK).code == 2


def test_a_run_says_which_space(shell: Shell) -> None:
    """Left out, misspelt or malformed, the line says what to type."""
    (shell.folder / "app.py").write_text(DESK.read_text("utf-8"), "utf-8")
    run = ("run", "app:desk", "Quote", "--thread", "t")
    for words, told in (
        ((), "--space customer=ID"),
        (("--space", "customer"), "--space customer=c-42"),
        (("--space", "customer=a", "--space", "shop=b"), "names a space 'shop'"),
        (("--space", "customer=a", "--context", '{"prize": 1}'), "Did you mean 'price'?"),
        (("--space", "customer=a", "--context", '{"price": 900}'), "nothing costs more"),
    ):
        done = shell.call(*run, *words)
        assert done.code == 2, done.out
        assert told in done.err
    assert shell.call("status", "t", *AT_DESK).code == 2


def test_a_thread_without_facts_says_so(shell: Shell) -> None:
    """An empty context is no error; an unknown thread is."""
    (shell.folder / "bare.py").write_text(
        "import interlock as il\n"
        "plan = il.TaskGraph(goal='x', steps=[il.Step(id='a', worker='a', instruction='x')])\n"
        "desk = il.Orchestrator(workers=[il.Worker(name='a', agent=lambda brief: 1)],"
        " planner=plan, storage='sqlite:///bare.db')\n",
        "utf-8",
    )
    assert shell.call("run", "bare:desk", "x", "--thread", "t").code == 0
    assert "No facts" in shell.call("context", "t", "--team", "bare:desk").out
    missing = shell.call("context", "nope", "--team", "bare:desk")
    assert missing.code == 2
    assert "No run was ever started on thread 'nope'" in missing.err
