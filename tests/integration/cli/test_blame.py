"""`blame` and `critical-path`: for people and for programs, from a storage alone."""

import re
from pathlib import Path

import pytest

from tests.integration.cli.shell import Shell

TEAM = """
import asyncio

import interlock as il


async def price(brief):
    await asyncio.sleep(0.02)
    return {"price": -5, "note": "\\x1b[31mcheap\\x1b[0m"}


async def quote(brief):
    return {"quote": brief.inputs["price"]["price"] * 10}


async def check(brief):
    raise il.InputRefusedError("price", why="it is below zero \\x1b]0;owned\\x07")


async def mail(brief):
    return "sent"


def step(name, **fields):
    return il.Step(id=name, worker=name, instruction=f"Do {name}", **fields)


desk = il.Orchestrator(
    workers=[
        il.Worker(name=f.__name__, agent=f) for f in (price, quote, check, mail)
    ],
    planner=il.TaskGraph(
        goal="Quote",
        steps=[
            step("price", criteria=[il.expr("output.price < 100")]),
            step("quote", needs=["price"]),
            step("check", needs=["price"], fallback=[il.skip(gap="unchecked")]),
            step("mail", needs=["quote"]),
        ],
    ),
    name="quotes",
)
"""
AT_DESK = ("--team", "app:desk")


@pytest.fixture
def desk(shell: Shell) -> Shell:
    """A folder in which a run has accepted a value that a later step refused."""
    (shell.folder / "app.py").write_text(TEAM, "utf-8")
    done = shell.call("run", "app:desk", "Quote", "--thread", "t17")
    assert done.code == 3, done.out + done.err
    return shell


def test_a_fault_is_shown_with_its_path_and_all_that_it_reached(desk: Shell) -> None:
    """Who made it, who refused it, who let it pass, where it went; nothing steers the terminal."""
    done = desk.call("blame", "t17", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    lines = [re.sub(r"^[│├└─ ]+", "", line).strip() for line in done.out.splitlines()]
    assert lines[0] == "t17 price attempt 1 of price was wrong"
    assert "rejected by check: The input 'price' is refused: it is below zero" in lines
    assert "path: price > check" in lines
    assert "let pass by: output.price < 100 is true" in lines
    cascade = next(line for line in lines if line.startswith("reached "))
    assert cascade.startswith("reached 3 steps (2 accepted, 1 skipped), up to 2 handoffs away")
    assert lines[-3:] == ["check skipped", "quote accepted", "mail accepted"]
    assert "\x1b" not in done.out
    assert "owned" not in done.out


def test_programs_read_trails_by_window_team_and_step(desk: Shell) -> None:
    """The same as JSON; a window, a team and a step narrow it; nothing found is an empty list."""
    (trail,) = desk.call("blame", "t17", *AT_DESK, "--json").data
    assert trail["origin"]["step_id"] == "price"
    assert (trail["depth"], trail["cascade_size"], trail["lost"]) == (2, 3, 1)
    assert trail["consumers"] == ["check", "quote"]
    for words, count in (
        (("--since", "1h"), 1),
        (("--until", "1h"), 0),
        (("--name", "quotes"), 1),
        (("--name", "others"), 0),
        (("--step", "pri"), 1),
        (("--step", "mail"), 0),
    ):
        assert len(desk.call("blame", *words, *AT_DESK, "--json").data) == count, words
    assert (
        "No accepted value is known to be faulty."
        in desk.call("blame", "--until", "1h", *AT_DESK).out
    )


def test_what_decided_the_end_is_shown_with_what_would_have_saved_time(desk: Shell) -> None:
    """The chain of steps, where its time went, and the model's savings; the times add up."""
    done = desk.call("critical-path", "t17", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    assert "What would have ended it sooner (modelled with" in done.out
    names = [line.split()[0] for line in done.out.splitlines() if line.strip()]
    assert names[names.index("STEP") + 1] == "price"
    data = desk.call("critical-path", "t17", "--max-parallel", "3", *AT_DESK, "--json").data
    assert data["steps"][0]["step_id"] == "price"
    assert data["total_us"] == sum(data["stages"].values()) >= 20_000
    assert (data["max_parallel"], data["is_limit_seen"]) == (3, False)
    assert {"faster_step", "one_more_slot", "unbounded"} <= {one["kind"] for one in data["savings"]}


@pytest.mark.parametrize("command", ["blame", "critical-path"])
def test_a_thread_that_nobody_started_is_named(desk: Shell, command: str) -> None:
    """An unknown thread is refused with what to type, and a storage that is not there is not made."""
    done = desk.call(command, "nobody", *AT_DESK)
    assert done.code == 2
    assert "nobody" in done.err
    missing = desk.folder / "none.db"
    assert desk.call(command, "t17", "--storage", f"sqlite:///{missing}").code == 2
    assert not Path(missing).exists()
