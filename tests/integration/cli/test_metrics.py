"""`metrics`: which step, worker, handoff and validator is the problem, for people and for programs."""

from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console

import interlock as il
from interlock.console.metrics_page import TABLES, draw_metrics
from tests.integration.cli.shell import Done, Shell

TEAM = """
import interlock as il


async def look(brief):
    if brief.attempt == 1:
        raise il.TransientError("the shop is closed")
    return "found"


async def price(brief):
    return {"price": -5}


async def check(brief):
    raise il.InputRefusedError("price", why="it is below zero")


async def mail(brief):
    return "sent"


async def bill(brief):
    raise il.PermanentError("no such \\x1b[31maccount\\x1b[0m")


def step(name, **fields):
    return il.Step(id=name, worker=fields.pop("worker", name), instruction=f"Do {name}", **fields)


desk = il.Orchestrator(
    workers=[il.Worker(name=f.__name__, agent=f) for f in (look, price, check, mail, bill)],
    planner=il.TaskGraph(
        goal="Quote",
        steps=[
            step("look", retry=il.Retry(max_attempts=2, backoff=0)),
            step("price", needs=["look"], criteria=[il.expr("output.price < 100")]),
            step("check", needs=["price"], fallback=[il.skip(gap="unchecked")]),
            step("mail", needs=["price"]),
            step("bill", needs=["price"]),
            step("after", needs=["bill"], worker="mail"),
            step("last", needs=["after"], worker="mail"),
        ],
    ),
    name="quotes",
)
"""
AT_DESK = ("--team", "app:desk")


@pytest.fixture
def desk(shell: Shell) -> Shell:
    """A folder with one run: 3 of 5 decided steps accepted, one let a faulty value pass."""
    (shell.folder / "app.py").write_text(TEAM, "utf-8")
    done = shell.call("run", "app:desk", "Quote", "--thread", "t17")
    assert done.code == 5, done.out + done.err
    return shell


def find_table(done: Done, title: str) -> list[list[str]]:
    """Return the rows below a title, their cells split at two blanks."""
    lines = done.out.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(title))
    rows: list[list[str]] = []
    for line in lines[start + 1 :]:
        if not line:
            break
        rows.append([cell.strip() for cell in line.split("  ") if cell])
    return rows


def test_the_first_screen_says_where_to_look(desk: Shell) -> None:
    """The sums, then the worst step, worker and validator in the first row of each table."""
    done = desk.call("metrics", "t17", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == (
        "7 steps of 1 run: 60.0 % accepted, 40.0 % at the first attempt, 20.0 % degraded or "
        "skipped, 1 failed, 2 blocked, 0 waiting."
    )
    assert lines[1].startswith("6 attempts, 0 model calls, 0 tokens")
    steps = [row[0] for row in find_table(done, "STEPS")]
    assert steps == ["STEP", "bill", "check", "look", "after", "last", "and 2 more: --by steps"]
    workers = find_table(done, "WORKERS")
    assert [row[0] for row in workers[1:4]] == ["bill", "check", "look"]
    assert workers[3][1:3] == ["2", "50.0 %"]
    gate = find_table(done, "VALIDATORS")[1]
    assert gate[:2] == ["price", "output.price < 100 is true"]
    assert gate[-3:] == ["0", "1", "100.0 %"]
    edges = {row[0] for row in find_table(done, "EDGES")}
    assert {"(start) > look", "look > price", "price > mail"} <= edges
    assert "Faults found later in accepted values: 1." in done.out
    assert "\x1b" not in done.out


def test_json_is_what_the_desk_counts(desk: Shell) -> None:
    """A program reads `il.Metrics`; one table on request has the same rows."""
    done = desk.call("metrics", "--json", *AT_DESK)
    metrics = il.Metrics.model_validate(done.data)
    counted = {row.step: (row.accepted, row.failed, row.blocked) for row in metrics.steps}
    assert counted["bill"] == (0, 1, 0)
    assert counted["last"] == (0, 0, 1)
    assert (metrics.total.decided, metrics.total.attempts) == (5, 6)
    assert [(fault.step, fault.how, fault.found) for fault in metrics.faults] == [
        ("price", "rejected", 1)
    ]
    for name in TABLES:
        one = desk.call("metrics", "--json", "--by", name, *AT_DESK)
        assert one.data == {name: done.data[name]}


def test_every_table_can_be_seen_whole(desk: Shell) -> None:
    """`--by` shows each table that has rows with all of them, and says so where there are none."""
    shown = {name: desk.call("metrics", "--by", name, *AT_DESK).out for name in TABLES}
    rows = {name: text.splitlines()[2:] for name, text in shown.items()}
    assert len(rows["steps"]) == 7
    assert [line.split()[0] for line in rows["runs"]] == ["failed"]
    assert rows["fallbacks"][0].split() == ["skip", "check", "skipped", "1"]
    assert shown["effects"].strip() == "There are no effects to count here."


def test_windows_teams_and_paths_narrow_what_is_counted(desk: Shell) -> None:
    """What lies outside is not counted, and nothing at all is said in words."""
    everything = desk.call("metrics", "--since", "1h", "--name", "quotes", *AT_DESK)
    assert everything.out.startswith("7 steps of 1 run")
    assert desk.call("metrics", "--step", "b", *AT_DESK).out.startswith("1 step of 1 run: 0.0 %")
    for outside in (["--until", "1h"], ["--name", "others"], ["--since", "2100-01-01"]):
        done = desk.call("metrics", *outside, *AT_DESK)
        assert (done.code, done.out) == (0, "Nothing happened in this window.\n")


def test_what_cannot_be_counted_is_said(desk: Shell) -> None:
    """Wrong threads, tables and times are refused with what to do, with code 2."""
    for arguments, words in (
        (["t18"], "No run was ever started on thread 't18'"),
        (["--by", "step"], "There is no table 'step'. Did you mean 'steps'"),
        (["--since", "yesterday"], "--since is 'yesterday'. Say how long ago, such as 1d"),
        (["--since", "1h", "--until", "2h"], "Let it end after it begins."),
    ):
        done = desk.call("metrics", *arguments, *AT_DESK)
        assert (done.code, done.out) == (2, "")
        assert words in done.err


def test_a_narrow_terminal_gets_fewer_columns_not_broken_ones(desk: Shell) -> None:
    """Names and shares stand whole, no line is too long, and what is missing is named."""
    metrics = il.Metrics.model_validate(desk.call("metrics", "--json", *AT_DESK).data)
    for columns in (40, 60, 200):
        file = StringIO()
        console = Console(file=file, width=columns)
        console.print(draw_metrics(metrics), crop=False)
        lines = file.getvalue().splitlines()
        assert max(cell_len(line.rstrip()) for line in lines) <= columns
        bill = next(line.split() for line in lines if line.startswith("bill"))
        assert bill[:4] == ["bill", "1", "0.0", "%"]
        missing = [line for line in lines if line.startswith("No room here for COST, TOKENS/OK")]
        assert len(missing) == (columns < 200)
