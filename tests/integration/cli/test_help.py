"""Help: what a command does, lines to copy, and what its exit codes mean."""

import re

import pytest

from tests.integration.cli.shell import Shell

COMMANDS = (
    "demo",
    "run",
    "resume",
    "status",
    "inbox",
    "answer",
    "handoffs",
    "effects",
    "effects settle",
    "effects forget",
    "scratchpad",
    "blame",
    "critical-path",
    "prune",
    "replan",
    "cancel",
    "graph",
    "schema",
    "crash-test",
    "bench makespan",
    "bench calls",
    "bench storage",
    "bench faults",
)


def test_the_first_page_lists_the_commands(shell: Shell) -> None:
    """`interlock` alone and `--help` show every command and a run from start to end."""
    done = shell.run("--help")
    assert (done.code, done.err) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^│ {command.split()[0]} ", done.out, re.MULTILINE)
    assert "\n interlock demo \n" in re.sub(" +", " ", done.out)
    assert "interlock run app:desk 'Answer ticket 17' --thread t17" in done.out
    assert "Exit codes: 0 completed, 2 usage, 3 degraded, 4 waiting for a person" in done.out
    assert shell.call().out.split() == done.out.split()
    assert re.fullmatch(r"interlock \d+\.\d+\.\d+\n", shell.call("--version").out)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_teaches_by_example(shell: Shell, command: str) -> None:
    """Every command's help has examples, each on a line of its own, that parse as its usage."""
    done = shell.call(*command.split(), "--help")
    assert (done.code, done.err) == (0, "")
    lines = [line.strip() for line in done.out.splitlines()]
    examples = [line for line in lines if line.startswith(f"interlock {command}")]
    head = "Example:" if len(examples) == 1 else "Examples:"
    begin = lines.index(head) + 1
    assert lines[begin : begin + len(examples)] == examples
    assert not done.out.count("<bool>") > 1  # typer's own --help
    known = set(re.findall(r"--[a-z-]+", done.out[: done.out.index(head)]))
    for example in examples:
        assert set(re.findall(r"(?<=\s)--[a-z-]+", example)) <= known


@pytest.mark.parametrize("command", ["run", "resume", "answer"])
def test_commands_that_drive_tell_their_exit_codes(shell: Shell, command: str) -> None:
    """Whoever scripts a run finds the codes in its help."""
    words = " ".join(shell.call(command, "--help").out.split())
    assert (
        "0 completed, 2 usage, 3 degraded, 4 waiting for a person, 5 failed or cancelled" in words
    )
    assert "130 or 143 after Ctrl-C or SIGTERM" in words
