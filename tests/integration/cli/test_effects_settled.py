"""`effects settle` and `effects forget`: a person's word on an effect, and its end."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from interlock.contracts.clock import SystemClock
from interlock.contracts.effect_ledger import Reservation
from interlock.contracts.run_record import RunRecord
from tests.integration.cli.ledger_filling import Filler, build_call
from tests.integration.cli.shell import Shell

AT_DESK = ("--team", "app:desk")
CHARGE = build_call(tool="charge")
RETRY = build_call(tool="charge", attempt="refund@1f0a#2")


@pytest.fixture
def filler(shell: Shell) -> Filler:
    """The database of the team in the folder."""
    return Filler(shell.folder)


@pytest.fixture
def key(filler: Filler) -> str:
    """The key of an effect that is unknown."""
    return filler.finish(CHARGE, "unknown")


def settle(shell: Shell, *arguments: str) -> Any:
    """Return what settling says to programs."""
    done = shell.call("effects", "settle", "t17", *arguments, *AT_DESK, "--json")
    assert done.code == 0, done.out + done.err
    return done.data


def call_again(filler: Filler) -> tuple[str, Any]:
    """Return what the retry's call is told, and the answer that it finds."""
    told: Reservation = filler.reserve(RETRY)
    return told.decision, told.record.answer


@pytest.mark.parametrize(
    ("said", "state", "told"),
    [
        (("--happened", "--answer", '{"charge": 9}'), "done", ("answered", {"charge": 9})),
        (("--happened", "--answer", "null"), "done", ("answered", None)),
        (("--happened",), "done", ("answered", None)),
        (("--not-happened",), "intended", ("run", None)),
    ],
)
def test_a_persons_word_counts(
    shell: Shell, filler: Filler, key: str, said: tuple[str, ...], state: str, told: object
) -> None:
    """What a person says is recorded with the reason, and the next call is told so."""
    data = settle(shell, key, *said, "--why", "seen at the bank")
    assert set(data) == {"effect", "answered", "unknown", "next"}
    effect = data["effect"]
    assert (effect["key"], effect["state"]) == (key, state)
    assert (effect["settled_by"], effect["note"]) == ("person", "seen at the bank")
    assert (data["answered"], data["unknown"], data["next"]) == ([], 0, None)
    assert call_again(filler) == told


def test_a_person_reads_what_was_recorded(shell: Shell, filler: Filler, key: str) -> None:
    """The page says the call, what was said of it and what follows, and names what is left."""
    filler.finish(build_call(step="other"), "unknown")
    done = shell.call("effects", "settle", "t17", key, "--happened", "--answer", "9", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:3] == [
        "charge(order='#W1', cents=5000) happened",
        "Recorded. Duplicates get this answer: 9",
        "1 effect more to be settled. See:",
    ]
    (line,) = done.find_lines("interlock effects t17")
    assert "2 effects: 1 done, 1 unknown" in shell.type(line).out.splitlines()


def test_the_beginning_of_a_key_is_enough(shell: Shell, key: str) -> None:
    """A key may be cut where it is still the only one that begins so."""
    assert settle(shell, key[:8], "--happened")["effect"]["key"] == key


def test_an_answer_can_come_from_a_file(shell: Shell, filler: Filler, key: str) -> None:
    """--answer takes @file, for answers that no line holds."""
    answer = {"text": "x" * 100_000}
    (shell.folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    settle(shell, key, "--happened", "--answer", "@answer.json")
    assert call_again(filler) == ("answered", answer)


def test_the_same_word_twice_is_harmless_and_another_is_refused(shell: Shell, key: str) -> None:
    """Whoever says it again changes nothing; who says otherwise is shown what is recorded."""
    first = settle(shell, key, "--happened", "--answer", "9", "--why", "seen")
    again = settle(shell, key, "--happened", "--answer", "9", "--why", "seen")
    assert again["effect"] == first["effect"]
    refused = shell.call("effects", "settle", "t17", key, "--not-happened", *AT_DESK)
    assert (refused.code, refused.out) == (2, "")
    assert "Nothing was changed." in refused.err
    (line,) = refused.find_lines("interlock effects t17")
    assert "answer: 9" in shell.type(line).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("KEY",), "give --happened or --not-happened; seen: neither"),
        (("KEY", "--happened", "--not-happened"), "seen: both"),
        (("KEY", "--not-happened", "--answer", "1"), "--answer is what the tool answered"),
        (("KEY", "--happened", "--answer", "{charge"), "--answer is not JSON: '{charge'"),
        (("KEY", "--happened", "--answer", "NaN"), "--answer"),
        (("KEY", "--happened", "--answer", "@none.json"), "'none.json' cannot be read"),
        (("", "--happened"), "The KEY is empty"),
        (("e-nothing", "--happened"), "has no effect 'e-nothing'"),
        (("e", "--happened"), "or more than one that begins so"),
        (("%", "--happened"), "has no effect '%'"),
        (("KEY", "--perhaps"), "No such option: --perhaps"),
    ],
)
def test_a_word_that_is_no_good_changes_nothing(
    shell: Shell, filler: Filler, key: str, arguments: tuple[str, ...], words: str
) -> None:
    """A mistake exits with 2, says what is wrong, and leaves every effect as it was."""
    filler.finish(build_call(tool="mail"), "unknown")
    before = shell.call("effects", "t17", *AT_DESK, "--json").data
    filled = [key if word == "KEY" else word for word in arguments]
    done = shell.call("effects", "settle", "t17", *filled, *AT_DESK)
    assert (done.code, done.out) == (2, "")
    assert words in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert shell.call("effects", "t17", *AT_DESK, "--json").data == before


def test_errors_of_settling_are_documents_too(shell: Shell, key: str) -> None:
    """With --json a refused word is one document: its type, its message, and a line that works."""
    done = shell.call("effects", "settle", "t17", "e-nothing", "--happened", *AT_DESK, "--json")
    error = done.data["error"]
    assert (done.code, error["type"]) == (2, "UnknownEffectError")
    assert key in error["message"]
    assert shell.type(error["next"]).code == 0


@pytest.fixture
def aged(filler: Filler) -> Filler:
    """Effects of two threads that ended 40 days ago, one that did not, and one of today."""
    then = days_ago(40)
    filler.finish(build_call(tool="old"), at=then)
    filler.finish(build_call(tool="open"), "unknown", at=then)
    filler.finish(build_call("t18", tool="old"), at=then)
    filler.finish(build_call(tool="new"))
    return filler


def days_ago(days: int) -> datetime:
    """Return an instant."""
    return SystemClock().now() - timedelta(days=days)


def list_tools(shell: Shell, thread: str = "t17") -> list[str]:
    """Return the tools of a thread's effects."""
    done = shell.call("effects", thread, *AT_DESK, "--json")
    return [effect["tool"] for effect in done.data["effects"]] if done.code == 0 else []


def test_a_dry_run_counts_and_keeps(shell: Shell, aged: Filler) -> None:
    """--dry-run tells how many would go, and the line that lets them go."""
    done = shell.call("effects", "forget", "--older-than", "30d", "--dry-run", *AT_DESK)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Would forget 2 effects that ended before ")
    assert list_tools(shell) == ["old", "open", "new"]
    (line,) = done.find_lines("interlock effects forget")
    assert shell.paste(line).out.startswith("Forgot 2 effects that ended before ")
    assert (list_tools(shell), list_tools(shell, "t18")) == (["open", "new"], [])
    again = shell.call("effects", "forget", "--older-than", "30d", *AT_DESK)
    assert again.out.startswith("Forgot 0 effects ")


def test_one_thread_can_be_forgotten(shell: Shell, aged: Filler) -> None:
    """--thread leaves the effects of other threads alone; programs read what was done."""
    done = shell.call(
        "effects", "forget", "--older-than", "5w", "--thread", "t18", *AT_DESK, "--json"
    )
    data = done.data
    assert set(data) == {"forgotten", "dry_run", "before", "thread_id", "next"}
    assert (data["forgotten"], data["dry_run"], data["thread_id"]) == (1, False, "t18")
    age = SystemClock().now() - datetime.fromisoformat(data["before"])
    assert timedelta(weeks=5) <= age < timedelta(weeks=5, minutes=5)
    assert list_tools(shell) == ["old", "open", "new"]


def test_an_age_between_keeps_what_is_younger(shell: Shell, aged: Filler) -> None:
    """What ended after the instant stays."""
    done = shell.call("effects", "forget", "--older-than", "41d", *AT_DESK, "--json")
    assert done.data["forgotten"] == 0


def test_effects_of_an_unfinished_run_are_kept(shell: Shell, aged: Filler) -> None:
    """A run that may be resumed needs its answers, and the page says that it is why."""
    then = days_ago(40)
    run = RunRecord.model_validate(
        {"thread_id": "t18", "goal": "complete", "accepted_at": then, "updated_at": then}
    )
    aged.use(lambda storage: storage.accept_run(run), at=then)
    done = shell.call("effects", "forget", "--older-than", "30d", "--thread", "t18", *AT_DESK)
    assert done.out.startswith("Forgot 0 effects ")
    assert "The thread's run is not finished" in done.out
    assert list_tools(shell, "t18") == ["old"]


@pytest.mark.parametrize(
    "age", ["", "30", "d", "30 years", "-3d", "1d and 2h", "30d!", "999999999w"]
)
def test_an_age_that_is_none_is_refused(shell: Shell, aged: Filler, age: str) -> None:
    """What is no duration exits with 2 and forgets nothing."""
    done = shell.call("effects", "forget", f"--older-than={age}", *AT_DESK)
    assert (done.code, done.out) == (2, "")
    assert "--older-than is" in done.err
    assert list_tools(shell) == ["old", "open", "new"]
