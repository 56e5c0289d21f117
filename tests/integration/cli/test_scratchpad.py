"""`scratchpad` and `prune`: what workers noted, and what is old."""

import asyncio
import re
from pathlib import Path

import pytest

import interlock as il
from tests.integration.cli.desk_app import HOSTILE
from tests.integration.cli.shell import Shell, require_clean
from tests.integration.teams import build_desk, build_step

AT_DESK = ("--storage", "sqlite:///desk.db")


def note_down(folder: Path) -> None:
    """Run a team of two steps in a folder, of which one takes notes: two attempts, three notes."""

    async def noter(brief: il.Brief) -> dict[str, object]:
        brief.scratchpad.append(f"tried {brief.attempt}\n  in two lines")
        if brief.attempt == 2:
            brief.scratchpad.append(HOSTILE)
        return {"ok": brief.attempt == 2, "text": "x" * 50_000}

    async def silent(brief: il.Brief) -> str:
        return "nothing to note"

    steps = [
        build_step(
            "reply", "noter", criteria=[il.expr("output.ok")], retry=il.Retry(max_attempts=2)
        ),
        build_step("silent"),
    ]

    async def live() -> None:
        url = f"sqlite:///{folder}/desk.db"
        async with build_desk({"noter": noter, "silent": silent}, *steps, storage=url) as desk:
            assert (await desk.ainvoke("Test", thread_id="t17")).status == "completed"

    asyncio.run(live())


@pytest.fixture
def noted(shell: Shell) -> Shell:
    """Return a folder with a run in which a worker took notes."""
    note_down(shell.folder)
    return shell


def test_notes_are_shown_by_attempt(noted: Shell) -> None:
    """Each attempt's notes stand under its head, oldest first, and what is hostile in them is inert."""
    done = noted.call("scratchpad", "t17", "reply", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    require_clean(done.out)
    heads = re.findall(r"^step reply  attempt (\d)  worker noter$", done.out, re.MULTILINE)
    assert heads == ["1", "2"]
    assert re.search(r"^  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  tried 1$", done.out, re.MULTILINE)
    assert "\n      in two lines\n" in done.out
    assert re.search(r"^3 notes, \d+ bytes$", done.out, re.MULTILINE)
    assert noted.call("scratchpad", "t17", *AT_DESK).out == done.out


def test_notes_for_programs(noted: Shell) -> None:
    """`--json` has every note in full, as it was made."""
    data = noted.call("scratchpad", "t17", "reply", "--json", *AT_DESK).data
    assert [(n["worker"], n["attempt"], n["text"]) for n in data["notes"]] == [
        ("noter", 1, "tried 1\n  in two lines"),
        ("noter", 2, "tried 2\n  in two lines"),
        ("noter", 2, HOSTILE),
    ]
    assert data["bytes"] == sum(len(n["text"].encode()) for n in data["notes"])


def test_a_step_without_notes_and_one_that_is_not_there(noted: Shell) -> None:
    """It is told which of the two it is, with a near name; an unknown thread is an error."""
    silent = noted.call("scratchpad", "t17", "silent", *AT_DESK)
    assert silent.out == "No notes: the workers of step 'silent' have noted nothing.\n"
    typo = noted.call("scratchpad", "t17", "replay", *AT_DESK)
    assert "No notes of step 'replay'." in typo.out
    assert "reply" in typo.out
    unknown = noted.call("scratchpad", "t18", "reply", *AT_DESK)
    assert unknown.code == 2
    assert "'t18'" in unknown.err


def test_prune_counts_then_deletes_by_the_line_it_shows(noted: Shell) -> None:
    """A dry run shows what would go and the line that does it; typed, it deletes just that."""
    young = noted.call("prune", *AT_DESK)
    assert young.out.startswith("Nothing to delete: nothing older than ")
    counted = noted.call(
        "prune", "--older-than", "0s", "--journal", "--compact", "--dry-run", *AT_DESK
    )
    assert counted.out.startswith("Would delete, older than ")
    (line,) = counted.find_lines("prune")
    assert line == (
        "interlock prune --older-than 0s --journal --compact --storage sqlite:///desk.db"
    )
    deleted = noted.call(*line.split()[1:])
    assert deleted.code == 0
    tables = re.compile(r"^  ([a-z_]+) +([\d,]+) +(\S.*?) *$", re.MULTILINE)
    assert tables.findall(deleted.out) == tables.findall(counted.out)
    assert {"checkpoints", "handoffs", "scratchpad_notes"} <= {
        row[0] for row in tables.findall(deleted.out)
    }
    assert "1 thread (t17): ended, kept the run and its result, and no checkpoint." in deleted.out
    sizes = re.search(r"The file had ([\d.]+) kB and has ([\d.]+) kB now", deleted.out)
    assert sizes is not None
    assert float(sizes[2]) < float(sizes[1])
    assert noted.call("status", "t17", "--json", *AT_DESK).data["status"] == "completed"


def test_prune_for_programs(noted: Shell) -> None:
    """`--json` has what went by table, the threads, and the file's size."""
    data = noted.call("prune", "--older-than", "0s", "--thread", "t17", "--json", *AT_DESK).data
    assert data["emptied"] == ["t17"]
    assert data["busy"] == []
    assert not data["dry_run"]
    assert data["tables"]["checkpoints"]["rows"] > 3
    assert data["total"]["rows"] == sum(one["rows"] for one in data["tables"].values())
    assert data["file_bytes_after"] > 0
    assert noted.call("prune", "--thread", "t18", *AT_DESK).code == 2
    assert "'yesterday'" in noted.call("prune", "--older-than", "yesterday", *AT_DESK).err
