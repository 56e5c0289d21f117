"""`run`, `resume`, `status`, `handoffs`: what a user sees of a run, and how it ends."""

import re

import pytest

from tests.integration.cli.desk_app import HOSTILE
from tests.integration.cli.shell import Done, Shell, require_clean

STORAGE = ("--storage", "sqlite:///desk.db")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Done]:
    """A folder in which one run was completed by a process of its own."""
    shell = Shell(tmp_path_factory.mktemp("story"))
    return shell, shell.run("run", "app:desk", "complete", "--thread", "t17")


def test_piped_output_is_plain_lines(story: tuple[Shell, Done]) -> None:
    """In a pipe, every line is printable text, one a change, in the order of events."""
    _, done = story
    assert (done.code, done.err) == (0, "")
    require_clean(done.out)
    log, _, page = done.out.partition("\n\n")
    lines = [re.fullmatch(r"\d\d:\d\d:\d\dZ  (\w+) +(.*)", line) for line in log.splitlines()]
    assert [(line[1], line[2]) for line in lines if line] == [
        ("started", "thread t17: complete"),
        ("planned", "2 steps"),
        ("running", "order  attempt 1 by reader"),
        (
            "refused",
            "order  attempt 1 by reader: TransientError: the shop is closed -> trying again",
        ),
        ("running", "order  attempt 2 by reader"),
        ("accepted", "order  after 2 attempts"),
        ("running", "reply  attempt 1 by writer"),
        ("accepted", "reply  after 1 attempt"),
        ("completed", "thread t17"),
    ]
    assert page.startswith("completed  thread t17  2 steps settled, 3 attempts\n")
    assert '{"status": "delivered"}' in page


def test_resume_of_a_finished_run_shows_it_and_runs_nothing(story: tuple[Shell, Done]) -> None:
    """On a finished run, resume shows the same page and starts no worker."""
    shell, done = story
    starts = shell.starts
    again = shell.call("resume", "app:desk", "t17")
    assert again.code == 0
    assert again.out.partition("\n\n")[2] == done.out.partition("\n\n")[2]
    assert shell.starts == starts == ["order", "order", "reply"]


@pytest.mark.parametrize(("goal", "code"), [("degrade", 3), ("fail", 5), ("ask", 4)])
def test_the_exit_code_tells_how_the_run_ended(shell: Shell, goal: str, code: int) -> None:
    """3 is degraded, 4 is waiting, 5 is failed; with --json the last line holds the result."""
    done = shell.call("run", "app:desk", goal, "--thread", "t", "--json")
    names = {"degrade": "degraded", "fail": "failed", "ask": "waiting"}
    first, last = done.events[0], done.events[-1]
    assert first["event"] == "run_started"
    assert (last["event"], last["status"], last["result"]["status"]) == (
        "run_stopped",
        names[goal],
        names[goal],
    )
    assert (done.code, done.err) == (code, "")
    assert shell.call("resume", "app:desk", "t", "--json").code == code


def test_what_is_missing_is_said(shell: Shell) -> None:
    """A failed run's page names the failed step with its reason, and the step it blocked."""
    done = shell.call("run", "app:desk", "fail", "--thread", "t")
    page = done.out.partition("Not as planned")[2]
    assert re.search(r"order +failed +PermanentError: there is no such order", page)
    assert re.search(r"reply +blocked +.*order", page)
    (line,) = done.find_lines("handoffs t", "--full")
    assert re.search(r'app\.py:\d+, in refuse"', shell.type(line).out)


def test_status_of_one_thread_and_of_all(story: tuple[Shell, Done]) -> None:
    """Status counts steps, attempts and retries; without a thread it lists all of them."""
    shell, _ = story
    one = shell.call("status", "t17", *STORAGE)
    assert "thread t17: completed\n" in one.out
    assert "2 of 2 done (2 accepted)" in one.out
    assert "3, 1 of them a retry" in one.out
    data = shell.call("status", "t17", "--json", "--team", "app:desk").data
    assert (data["status"], data["done"], data["total"], data["retries"]) == ("completed", 2, 2, 1)
    listed = shell.call("status", *STORAGE)
    assert re.search(r"^t17 +completed +2/2 .* complete$", listed.out, re.MULTILINE)
    assert [run["thread_id"] for run in shell.call("status", *STORAGE, "--json").data["runs"]] == [
        "t17"
    ]


def test_handoffs_are_shown_in_order(story: tuple[Shell, Done]) -> None:
    """The journal is a line a handoff; --step narrows it; --full adds what was handed over."""
    shell, _ = story
    lines = shell.call("handoffs", "t17", *STORAGE).out.splitlines()
    kinds = [line.split()[1] for line in lines[1:]]
    assert kinds == ["plan", "brief", "output", "brief", "output", "brief", "output"]
    assert "retry" in lines[3]
    assert lines[3].endswith("TransientError: the shop is closed")
    narrowed = shell.call("handoffs", "t17", "--step", "reply", "--full", *STORAGE).out
    assert "Dear  customer" in narrowed
    assert "step order" not in narrowed
    full = shell.call("handoffs", "t17", "--full", "--json", *STORAGE).data["handoffs"]
    assert [handoff["kind"] for handoff in full] == kinds
    assert full[-1]["payload"]["text"] == "Dear  customer"
    other = shell.call("handoffs", "t17", "--step", "replay", *STORAGE)
    assert other.out == "No handoffs of step 'replay'. Did you mean 'reply'?\n"


def test_the_storage_comes_from_option_environment_or_team(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--storage wins over INTERLOCK_STORAGE, which wins over the team's own storage."""
    monkeypatch.setenv("INTERLOCK_STORAGE", "sqlite:///environment.db")
    shell.call("run", "app:desk", "degrade", "--thread", "t")
    shell.call("run", "app:desk", "degrade", "--thread", "t", "--storage", "sqlite:///option.db")
    assert shell.call("status", "t").code == 0
    monkeypatch.delenv("INTERLOCK_STORAGE")
    shell.call("run", "app:build", "degrade", "--thread", "t")
    found = sorted(path.name for path in shell.folder.glob("*.db"))
    assert found == ["desk.db", "environment.db", "option.db"]


def test_what_a_team_prints_does_not_mix_with_json(shell: Shell) -> None:
    """With --json, what the team's own code prints goes to stderr."""
    with (shell.folder / "app.py").open("a", encoding="utf-8") as file:
        file.write("print('loading')\n")
    done = shell.call("run", "app:desk", "degrade", "--thread", "t", "--json")
    assert done.events[-1]["status"] == "degraded"
    assert done.err == "loading\n"


def test_a_run_in_memory_says_that_it_cannot_be_answered(shell: Shell) -> None:
    """A waiting run that is kept in memory offers no answers, and names the option to use."""
    done = shell.call("run", "app:desk", "ask", "--thread", "t", "--storage", "memory://")
    assert done.code == 4
    assert done.find_lines("answer") == []
    assert "--storage sqlite:///" in done.err
    assert shell.call("status", "t", "--storage", "memory://").code == 2


def test_nothing_that_workers_write_steers_a_terminal(shell: Shell) -> None:
    """Control sequences, direction marks and forged lines of workers reach no reader's screen."""
    thread = "t\x1b[2J"
    shown = [
        shell.call("run", "app:desk", HOSTILE, "--thread", thread),
        *(
            shell.call(*command, *STORAGE)
            for command in (
                ("status",),
                ("status", thread),
                ("inbox",),
                ("handoffs", thread),
                ("handoffs", thread, "--full"),
                ("status", HOSTILE),
            )
        ),
        shell.call("run", f"{HOSTILE}:desk", "goal", "--thread", "t"),
        shell.call("graph", "app:desk"),
    ]
    for done in shown:
        require_clean(done.out)
        require_clean(done.err)
        assert not re.search(r"^12:00:00Z", done.out + done.err, re.MULTILINE)
    assert "[bold]loud[/bold] [/]" in shown[0].out
    as_json = shell.call("inbox", "--json", *STORAGE)
    assert as_json.out.isascii()
    require_clean(as_json.out)
    assert HOSTILE in as_json.data["questions"][0]["args"]


def test_a_line_to_paste_names_a_strange_thread(shell: Shell) -> None:
    """A thread id with control characters is quoted so that a shell gives it back unchanged."""
    thread = "t 'x' \x1b[2J\u202e \\ é"
    shell.call("run", "app:desk", "complete", "--thread", thread)
    refused = shell.call("run", "app:desk", "complete", "--thread", thread)
    (line,) = refused.find_lines("resume")
    require_clean(line)
    done = shell.paste(f"{line} --json")
    assert (done.code, done.events[-1]["thread_id"]) == (0, thread)
