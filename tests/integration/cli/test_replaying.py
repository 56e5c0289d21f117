"""`replay`, `export`, `diff`: a debugger and a regression test, from a shell."""

import json
import runpy
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.shell import Shell
from tests.raw_database import dump_rows

TEAM = ("--team", "app:desk")


@pytest.fixture
def shop(shell: Shell) -> Shell:
    """A folder with a team that has paid on two threads."""
    shutil.copy(Path(__file__).with_name("replay_desk.py"), shell.folder / "app.py")
    for thread in ("t1", "t2"):
        assert shell.call("run", "app:desk", "Pay", "--thread", thread).code == 0
    return shell


def read_paid(shell: Shell) -> list[str]:
    """Return what was really paid."""
    return (shell.folder / "paid.txt").read_text("utf-8").splitlines()


def test_one_handoff_is_replayed_beside_what_was_recorded(shop: Shell) -> None:
    """Nothing is paid and no row changes; both sides, findings and effects are shown."""
    url = f"sqlite:///{shop.folder}/desk.db"
    before = dump_rows(url)
    shown = shop.call("replay", "t1", "pay", "--attempt", "1", *TEAM)
    data = shop.call("replay", "t1", "pay", "--attempt", "1", *TEAM, "--json").data
    assert dump_rows(url) == before
    assert read_paid(shop) == ["o1 50", "o1 50"]
    assert (shown.code, "the verdict is the same" in shown.out) == (0, True)
    assert "is not ok" in shown.out
    assert "\x1b[2J" not in shown.out
    assert (data["change"], data["effects_answered"]) == ("same", 1)
    assert data["replayed"]["value"] == data["recorded"]["value"]


def test_a_changed_verdict_fails_a_check_and_only_if_asked_to(shop: Shell) -> None:
    """Another worker by module, or a file of criteria; exit code 5 for CI."""
    other = ("replay", "t1", "pay", "--attempt", "1", "--worker", "app:better", *TEAM)
    assert "would be accepted now" in shop.call(*other).out
    assert [shop.call(*other).code, shop.call(*other, "--fail-on-change").code] == [0, 5]
    (shop.folder / "strict.yaml").write_text("- output.ok\n- size(output.said) < 3\n", "utf-8")
    strict = ("--worker", "recorded", "--criteria", "strict.yaml", *TEAM)
    data = shop.call("replay", "t1", "pay", *strict, "--json").data
    assert [one["passed"] for one in data["replayed"]["findings"]] == [True, False]
    assert data["change"] == "now_refused"


def test_many_are_a_regression_test(shop: Shell) -> None:
    """All attempts of a step since a day: how many verdicts would change, with an exact interval."""
    many = ("replay", "--since", "1d", "--step", "pay", *TEAM)
    assert shop.call(*many, "--fail-on-change").code == 0
    changed = shop.call(*many, "--worker", "app:worse", "--fail-on-change")
    assert changed.code == 5
    data = shop.call(*many, "--worker", "app:worse", "--json").data
    assert [data[name] for name in ("compared", "same", "now_refused", "failures")] == [4, 2, 2, []]
    assert {(one["thread_id"], one["attempt"]) for one in data["changed"]} == {("t1", 2), ("t2", 2)}
    # Clopper and Pearson, 2 of 4: 0.0676 to 0.9324.
    assert "50.0 % change; with 95 % confidence 6.8 to 93.2 %" in changed.out
    assert read_paid(shop) == ["o1 50", "o1 50"]


@pytest.mark.parametrize("options", [("--step", "pya"), ("--worker", "no_such"), ("--since", "0m")])
def test_a_check_that_compared_nothing_fails(shop: Shell, options: tuple[str, ...]) -> None:
    """A mistyped step or worker is no green regression test."""
    since = () if "--since" in options else ("--since", "1d")
    done = shop.call("replay", *since, *options, *TEAM, "--fail-on-change")
    assert (done.code, "Nothing was compared" in done.err) == (5, True)
    assert shop.call("replay", *since, *options, *TEAM).code == 0


def test_a_check_fails_where_a_worker_calls_for_another_effect(shop: Shell) -> None:
    """What the tool would have said is not known, so neither is the verdict; nothing is paid."""
    source = (shop.folder / "app.py").read_text("utf-8")
    (shop.folder / "app.py").write_text(source.replace('"o1", 50', '"o1", 51'), "utf-8")
    done = shop.call("replay", "--since", "1d", *TEAM, "--fail-on-change")
    assert (done.code, "2 verdicts compared: 2 the same" in done.out) == (5, True)
    assert "refund(order='o1', cents=51) was not called in the recorded run" in done.out
    assert "not recorded" in done.err
    assert read_paid(shop) == ["o1 50", "o1 50"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("t1", "pay"), "--team"),
        (("t1", "pya", *TEAM), "pay"),
        (("t9", "pay", *TEAM), "t9"),
        (("t1", "--attempt", "1", *TEAM), "--attempt"),
        (("t1", "pay", "--criteria", "none.yaml", *TEAM), "none.yaml"),
        (("t1", "pay", "--worker", "app:nobody", *TEAM), "nobody"),
        (("--since", "yesterday", *TEAM), "--since"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    shop: Shell, arguments: tuple[str, ...], words: str
) -> None:
    """No traceback; the words name what was typed."""
    done = shop.call("replay", *arguments)
    assert done.code != 0
    assert words in done.out + done.err
    assert "Traceback" not in done.out + done.err


def run_pytest(folder: Path, *names: str) -> "subprocess.CompletedProcess[str]":
    """Run exported cases as a user would, in a process of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *names]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_exported_handoffs_are_cases_that_pass_and_then_fail(shop: Shell) -> None:
    """They need no storage, pay nothing, hold hostile words as data, and fail with a changed worker."""
    cases = {
        "test_then.py": ("pay", "--attempt", "1"),
        "test_now.py": ("pay",),
        "test_criteria.py": ("pay", "--worker", "recorded"),
        "test_other.py": ("pay", "--worker", "app:worse", "--expect", "refused"),
    }
    for name, arguments in cases.items():
        done = shop.call("export", "t1", *arguments, "-o", name, *TEAM)
        assert (done.code, name in done.out) == (0, True)
    assert shop.call("export", "t1", "pay", "-o", "test_now.py", *TEAM).code == 2
    (shop.folder / "desk.db").unlink()
    green = run_pytest(shop.folder, *cases)
    assert green.returncode == 0, green.stdout
    assert "4 passed" in green.stdout
    assert read_paid(shop) == ["o1 50", "o1 50"]
    source = (shop.folder / "app.py").read_text("utf-8")
    (shop.folder / "app.py").write_text(source.replace('"ok": bool(', '"ok": not bool('), "utf-8")
    red = run_pytest(shop.folder, *cases)
    assert (red.returncode, "2 failed, 2 passed" in red.stdout) == (1, True)
    assert "is not ok" in red.stdout


def run_case(shell: Shell, name: str) -> None:
    """Run an exported case within this process."""
    with chdir(shell.folder):
        case = runpy.run_path(name)
        try:
            (test,) = (made for word, made in case.items() if word.startswith("test_"))
            test()
        finally:
            sys.modules.pop("app", None)
            sys.path[:] = [path for path in sys.path if path != str(shell.folder)]


@pytest.mark.parametrize("attempt", ["1", "2"])
def test_an_export_hides_what_it_is_told_to(shop: Shell, attempt: str) -> None:
    """Values of a name: in inputs, outputs, tools' answers, and where words have quoted them."""
    names = ("--redact", "email", "--redact", "token", "--redact", "receipt")
    path = ("--attempt", attempt, "-o", "test_pay.py")
    assert shop.call("export", "t1", "pay", *path, *names, *TEAM).code == 0
    text = (shop.folder / "test_pay.py").read_text("utf-8")
    assert [word for word in ("ada@example.org", "s3cret", "o1-50") if word in text] == []
    assert "Ada" in text
    run_case(shop, "test_pay.py")


def test_a_big_recording_lies_beside_its_case(shop: Shell) -> None:
    """A value of a hundred kilobytes is no literal in a test file."""
    source = (shop.folder / "app.py").read_text("utf-8")
    (shop.folder / "app.py").write_text(source.replace('"Ada"', '"Ada" * 40_000'), "utf-8")
    assert shop.call("run", "app:desk", "Pay", "--thread", "t3").code == 0
    assert shop.call("export", "t3", "look", *TEAM).code == 2
    assert shop.call("export", "t3", "look", "-o", "test_big.py", *TEAM).code == 0
    assert (shop.folder / "test_big.py").stat().st_size < 2_000
    held = json.loads((shop.folder / "test_big.json").read_text("utf-8"))
    assert held["output"]["value"]["customer"]["name"] == "Ada" * 40_000
    run_case(shop, "test_big.py")


def diff(shell: Shell, *arguments: str) -> Any:
    """Return what a diff says."""
    done = shell.call("diff", *arguments, *TEAM, "--json")
    assert done.code == 0
    return done.data


def test_a_diff_finds_where_two_runs_parted(shop: Shell) -> None:
    """Nothing; a worker that gives something else, and what followed from it; in two databases."""
    assert (diff(shop, "t1", "t2")["causes"], diff(shop, "t1", "t2")["followed"]) == ([], [])
    shutil.copy(shop.folder / "desk.db", shop.folder / "old.db")
    source = (shop.folder / "app.py").read_text("utf-8")
    (shop.folder / "app.py").write_text(source.replace('"Ada"', '"Roberta"'), "utf-8")
    assert shop.call("run", "app:desk", "Pay", "--thread", "t3").code == 0
    for other in (
        ("t3",),
        ("t3", "--storage", "sqlite:///old.db", "--other-storage", "sqlite:///desk.db"),
    ):
        parted = diff(shop, "t1", *other)
        (cause,) = parted["causes"]
        (followed,) = parted["followed"]
        assert (cause["path"], cause["kind"], cause["because"]) == ("look", "output", [])
        assert (followed["path"], followed["kind"], followed["because"]) == (
            "pay",
            "upstream",
            ["look"],
        )
    shown = shop.call("diff", "t1", "t3", *TEAM)
    assert (shown.code, "look" in shown.out, "Roberta" in shown.out) == (0, True, True)
