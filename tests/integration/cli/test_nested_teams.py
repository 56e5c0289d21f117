"""Teams within teams at the command line: what an inner team asks, plans, shares, notes and did."""

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.cli.shell import Shell

DESK = ("--team", "app:desk")
INMOST = ("--step", "office/shop")


@pytest.fixture
def ended(shell: Shell) -> Shell:
    """A thread three teams deep whose person was asked twice, by the inmost team."""
    shutil.copy(Path(__file__).with_name("nested_desk.py"), shell.folder / "app.py")
    assert shell.call("run", "app:desk", "Sell", "--thread", "t").code == 4
    for told in ("sent to Bob", "sent to Ada"):
        (question,) = shell.call("inbox", *DESK, "--json").data["questions"]
        assert question["step_id"] == "office/shop/send"
        assert "step office/shop/send" in shell.call("inbox", *DESK).out
        answer = ("answer", "app:desk", "t", question["id"], "edit", json.dumps(told))
        done = shell.call(*answer)
    assert done.code == 0
    return shell


def test_everything_of_an_inner_team_is_reached_by_its_path(ended: Shell) -> None:
    """Its plan, its facts, its notes and its journal, and what it settled for in the result."""
    plan = ended.call("plan", "t", *INMOST, *DESK, "--json").data
    assert [step["id"] for step in plan["plan"]["steps"]] == ["price", "send"]
    assert len(plan["versions"]) == 1  # of the attempt that was accepted
    facts = ended.call("context", "t", *INMOST, *DESK, "--json").data["facts"]
    assert {key: fact["made"]["step_id"] for key, fact in facts.items()} == {
        "price": "office/shop/price"
    }
    assert "office/shop/price" in ended.call("context", "t", *INMOST, "--why", "price", *DESK).out
    assert ended.call("context", "t", *DESK, "--json").data["facts"] == {}
    notes = ended.call("scratchpad", "t", "office/shop/price", *DESK, "--json").data["notes"]
    assert [note["text"] for note in notes] == ["looked at the list"] * 2
    wrong = ended.call("context", "t", "--step", "office/shoop", *DESK)
    assert (wrong.code, "Did you mean 'office/shop'" in wrong.err) == (2, True)
    shown = ended.call("resume", "app:desk", "t").out
    assert "Notes\n  - team of step 'office/shop': Version 3 of the plan is the declared" in shown


def test_the_journal_tells_the_attempts_of_the_steps_above(ended: Shell) -> None:
    """An inner first attempt within the second one above is not taken for the first within the first."""
    journal = ended.call("handoffs", "t", "--step", "office/shop/", *DESK, "--json").data[
        "handoffs"
    ]
    assert {handoff["step_id"] for handoff in journal} == {
        "office/shop",
        "office/shop/price",
        "office/shop/send",
    }
    assert {handoff["kind"] for handoff in journal if handoff["step_id"] == "office/shop"} == {
        "plan"
    }
    briefs = [
        (handoff["step_id"].rpartition("/")[2], handoff["attempts_above"], handoff["attempt"])
        for handoff in journal
        if handoff["kind"] == "brief"
    ]
    assert briefs == [
        ("price", [1, 1], 1),
        ("send", [1, 1], 1),
        ("price", [1, 2], 1),
        ("send", [1, 2], 1),
    ]
    lines = ended.call("handoffs", "t", "--step", "office/shop/price", *DESK).out.splitlines()
    assert [line.split()[3] for line in lines[1:]] == ["1", "1", "1.2.1", "1.2.1"]


def test_a_person_writes_the_plan_of_one_of_two_inner_teams(shell: Shell) -> None:
    """`plan --from --step` answers that team's question, with a plan for its own workers."""
    shutil.copy(Path(__file__).with_name("nested_desk.py"), shell.folder / "app.py")
    assert shell.call("run", "app:asking", "Sell", "--thread", "t").code == 4
    steps = [{"id": "new", "worker": "send", "instruction": "Send", "criteria": []}]
    plan = shell.folder / "plan.json"
    plan.write_text(json.dumps({"goal": "Sell", "steps": steps}), "utf-8")
    arguments = ("plan", "t", "--team", "app:asking", "--from", "plan.json", "--step")
    wrong = shell.call(*arguments, "nobody")
    assert (wrong.code, len(shell.call("inbox", *DESK, "--json").data["questions"])) == (2, 2)
    assert shell.call(*arguments, "right").code == 4
    (left,) = shell.call("inbox", *DESK, "--json").data["questions"]
    assert left["step_id"] == "left"
    shown = shell.call("plan", "t", *DESK, "--step", "right", "--json").data
    assert [step["id"] for step in shown["plan"]["steps"]] == ["new"]
    plan.write_text(
        json.dumps({"goal": "Sell", "steps": [{**steps[0], "worker": "left"}]}), "utf-8"
    )
    refused = shell.call(*arguments, "left")
    assert (refused.code, "which the team does not have" in refused.err) == (2, True)
