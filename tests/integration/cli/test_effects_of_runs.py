"""An effect of unknown outcome in a run: shown, settled from the command line, gone on with."""

import re
import shutil
from pathlib import Path

import pytest

from interlock.contracts.effect_ledger import ListEffects, SettleEffect
from interlock.contracts.ids import ThreadId
from tests.integration.cli.ledger_filling import Filler
from tests.integration.cli.shell import Shell

AT_DESK = ("--team", "app:desk")


@pytest.fixture
def parked(shell: Shell) -> Shell:
    """A folder with a run that waits: its payment was made and the answer was lost."""
    shutil.copy(Path(__file__).with_name("effect_desk.py"), shell.folder / "app.py")
    assert shell.call("run", "app:desk", "Pay back", "--thread", "t17").code == 4
    return shell


def count_payments(shell: Shell) -> int:
    """Return how often the tool really paid."""
    return len((shell.folder / "paid.txt").read_text("utf-8").splitlines())


@pytest.mark.parametrize(
    ("said", "decision", "receipt", "payments"),
    [
        (("--happened", "--answer", '{"refund": 41}'), "edit", {"refund": 41}, 1),
        (("--happened",), "approve", None, 1),
        (("--not-happened", "--why", "not in the bank's list"), "reject", {"refund": 2}, 2),
    ],
)
def test_settling_answers_the_runs_question(
    parked: Shell, said: tuple[str, ...], decision: str, receipt: object, payments: int
) -> None:
    """What a person says settles effect and question at once; the line shown resumes the run."""
    listed = parked.call("effects", "t17", *AT_DESK)
    assert "1 effect: 1 unknown" in listed.out.splitlines()
    key = listed.find_lines("--not-happened")[0].split()[4]
    settled = parked.call("effects", "settle", "t17", key, *said, *AT_DESK)
    assert (settled.code, settled.err) == (0, "")
    assert "asked about it and is answered so." in settled.out
    assert parked.call("inbox", *AT_DESK).out == "0 open questions\n"
    (line,) = settled.find_lines("interlock resume app:desk t17")
    resumed = parked.type(f"{line} --json")
    assert resumed.code == 0
    assert resumed.events[-1]["result"]["outputs"] == {"refund": {"receipt": receipt}}
    assert count_payments(parked) == payments
    journal = parked.call("handoffs", "t17", "--full", *AT_DESK, "--json").data["handoffs"]
    (answer,) = [handoff["payload"] for handoff in journal if handoff["kind"] == "answer"]
    assert answer["answer"]["type"] == decision
    assert "1 done" in parked.call("effects", "t17", *AT_DESK).out


def test_saying_it_again_answers_a_question_that_was_left_open(parked: Shell) -> None:
    """Settled by somebody who was killed before the question was answered, it is made good."""
    filler = Filler(parked.folder)
    (effect,) = filler.apply(ListEffects(thread_id=ThreadId("t17")))
    filler.apply(SettleEffect(thread_id=ThreadId("t17"), key=effect.key, happened=True))
    assert parked.call("inbox", *AT_DESK).out.endswith("1 open question\n")
    again = parked.call("effects", "settle", "t17", effect.key, "--happened", *AT_DESK, "--json")
    assert len(again.data["answered"]) == 1
    assert parked.type(again.data["next"]).code == 0
    assert count_payments(parked) == 1


def test_only_the_question_about_the_effect_is_answered(shell: Shell) -> None:
    """Of two open questions the other one stays open, and the line shown leads to what is left."""
    shutil.copy(Path(__file__).with_name("effect_desk.py"), shell.folder / "app.py")
    team = ("--team", "app:two")
    assert shell.call("run", "app:two", "Pay back", "--thread", "t17").code == 4
    effects = shell.call("effects", "t17", *team, "--json").data["effects"]
    keys = {effect["step_id"]: effect["key"] for effect in effects}
    settled = shell.call("effects", "settle", "t17", keys["bonus"], "--happened", *team, "--json")
    (question,) = shell.call("inbox", *team, "--json").data["questions"]
    assert (question["step_id"], settled.data["unknown"]) == ("refund", 1)
    assert question["id"] not in settled.data["answered"]
    (line,) = shell.type(settled.data["next"]).find_lines("--not-happened")
    assert keys["refund"] in line
    assert shell.type(line).code == 0
    resumed = shell.call("resume", "app:two", "t17", "--json").events[-1]["result"]
    assert resumed["outputs"] == {"bonus": {"receipt": None}, "refund": {"receipt": {"refund": 2}}}
    assert count_payments(shell) == 3


def test_the_inbox_says_what_each_decision_means(parked: Shell) -> None:
    """The question shows the call, since when, and beside each decision what follows."""
    inbox = parked.call("inbox", *AT_DESK)
    assert "did the effect happen" in inbox.out
    shown = " ".join(inbox.out.split())
    assert shown.count("pay_back(order='#refund', cents=5000)") == 1
    assert re.search(r"begun: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, [\d.]+ s ago key: e-", shown)
    for decision, meaning in (
        ("approve", "it happened; what it answered is not known"),
        ("edit", "it happened, and this is what it answered"),
        ("reject", "it did not happen, so that it may be run again"),
    ):
        assert f"    {decision}: {meaning}\n      interlock answer app:desk t17" in inbox.out
    (line,) = inbox.find_lines("reject")
    assert parked.type(line).code == 0
    assert count_payments(parked) == 2


def test_without_a_team_the_line_says_what_to_fill_in(parked: Shell) -> None:
    """Settled by storage alone, the line that goes on holds a placeholder, which is explained."""
    storage = ("--storage", "sqlite:///desk.db")
    key = parked.call("effects", "t17", *storage, "--json").data["effects"][0]["key"]
    settled = parked.call("effects", "settle", "t17", key, "--happened", *storage)
    assert settled.find_lines("interlock resume TEAM t17")
    assert settled.out.splitlines()[-1].startswith("TEAM stands for your team")


def test_a_run_in_progress_is_told_in_events(shell: Shell) -> None:
    """The log of a run says what became of each effect, also that it was answered."""
    shutil.copy(Path(__file__).with_name("effect_desk.py"), shell.folder / "app.py")
    (shell.folder / "paid.txt").write_text("#refund 5000\n", encoding="utf-8")
    done = shell.call("run", "app:desk", "Pay back", "--thread", "t17")
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if "  effect  " in line]
    assert "refund  attempt 1: pay_back is done (e-" in line
