"""Errors: what happened, and the command to type next, which works."""

import sqlite3

import pytest

from tests.integration.cli.shell import Shell

RUN = ("run", "app:desk", "complete", "--thread", "t17")


def test_a_finished_thread_names_the_line_that_reads_it(shell: Shell) -> None:
    """A second run on a finished thread is refused; the line it names shows the result."""
    shell.call(*RUN)
    refused = shell.call(*RUN)
    assert (refused.code, refused.out) == (2, "")
    assert "The run on thread 't17' has ended (completed)." in refused.err
    (line,) = refused.find_lines("resume")
    shown = shell.paste(line)
    assert shown.code == 0
    assert "completed  thread t17" in shown.out


def test_a_waiting_thread_names_the_inbox(shell: Shell) -> None:
    """A second run on a waiting thread is refused; the line it names shows what is asked."""
    shell.call("run", "app:desk", "ask", "--thread", "t17")
    refused = shell.call(*RUN)
    assert refused.code == 2
    (line,) = refused.find_lines("inbox")
    assert "6 open questions" in shell.type(line).out


def test_an_unknown_thread_names_the_list_of_runs(shell: Shell) -> None:
    """Commands on an unknown thread name the line that lists the known ones."""
    shell.call(*RUN)
    for command in (
        ("status", "t71", "--team", "app:desk"),
        ("handoffs", "t71", "--storage", "sqlite:///desk.db"),
        ("inbox", "--thread", "t71", "--team", "app:desk"),
        ("cancel", "t71", "--why", "no", "--team", "app:desk"),
        ("cancel", "t71", "--why", "no", "--storage", "sqlite:///desk.db"),
        ("resume", "app:desk", "t71"),
        ("answer", "app:desk", "t71", "q-1", "approve"),
    ):
        refused = shell.call(*command)
        assert (refused.code, refused.out) == (2, "")
        assert "No run was ever started on thread 't71'" in refused.err
        (line,) = refused.find_lines("status")
        listed = shell.type(line)
        assert (listed.code, "t17" in listed.out) == (0, True)


def test_json_errors_are_documents_too(shell: Shell) -> None:
    """With --json an error is one document: its type, its message and the line to type next."""
    shell.call(*RUN)
    refused = shell.call(*RUN, "--json")
    error = refused.data["error"]
    assert (refused.code, refused.err) == (2, "")
    assert error["type"] == "FinishedRunError"
    assert shell.type(error["next"]).code == 0
    usage = shell.call("run", "app:desk", "--json")
    assert (usage.code, usage.data["error"]["type"]) == (2, "UsageError")
    assert "GOAL" in usage.data["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "app", "goal", "--thread", "t"), "is not named as module:attribute"),
        (("run", "ap:desk", "goal", "--thread", "t"), "Did you mean 'app'?"),
        (("run", "app:dsk", "goal", "--thread", "t"), "Did you mean 'desk'?"),
        (("run", "app:PLANS", "goal", "--thread", "t"), "is a dict, not a team"),
        (("run", "app:hold", "goal", "--thread", "t"), "did not build a team: TypeError"),
        (("run", "broken:desk", "goal", "--thread", "t"), "broken.py, line 1). Correct it there."),
        (("run", "needy:desk", "goal", "--thread", "t"), "needs the module 'no_such_module'"),
        (("run", "app:desk", "", "--thread", "t"), "Give the run a goal in words"),
        (("run", "app:desk", "goal", "--thread", ""), "Give the run a thread id"),
        ((*RUN, "--context", "{vip"), "--context is not JSON"),
        ((*RUN, "--context", "[1]"), "--context is [1]. Give an object"),
        ((*RUN, "--plan", "none.yaml"), "'none.yaml' cannot be read"),
        ((*RUN, "--storage", "mysql://x"), "Known: sqlite:///relative.db"),
        (("status",), "no database 'interlock.db'"),
        (("status", "--storage", "sqlite:///none.db"), "no database 'none.db'"),
        (("graph",), "Name a TEAM, or a --plan FILE"),
    ],
)
def test_a_mistake_exits_with_2_and_says_what_to_do(
    shell: Shell, arguments: tuple[str, ...], words: str
) -> None:
    """A caller's mistake is told on stderr in words, without a traceback, and makes no file."""
    (shell.folder / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    (shell.folder / "needy.py").write_text("import no_such_module\n", encoding="utf-8")
    done = shell.call(*arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err
    assert not (shell.folder / "none.db").exists()


def test_a_foreign_database_is_refused_and_left_as_it_was(shell: Shell) -> None:
    """A database of something else exits with 5, says so, and is not touched."""
    path = shell.folder / "desk.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    done = shell.call(*RUN)
    assert (done.code, done.out) == (5, "")
    assert done.err.startswith("Error: ")
    assert "Traceback" not in done.err
    assert path.read_bytes() == before
