"""`inbox` and `answer`: what is asked, and every way to answer it, by pasting what is shown."""

import json

import pytest

from tests.integration.cli.shell import Done, Shell

DECISIONS = ("approve", "edit", "reject", "respond")


@pytest.fixture
def asked(shell: Shell) -> Shell:
    """A folder with a run that asks about six steps."""
    assert shell.call("run", "app:desk", "ask", "--thread", "t17").code == 4
    return shell


def list_questions(shell: Shell) -> dict[str, str]:
    """Return step to question id, of what is open."""
    data = shell.call("inbox", "--team", "app:desk", "--json").data
    return {question["step_id"]: question["id"] for question in data["questions"]}


def test_every_line_of_the_inbox_can_be_pasted(asked: Shell) -> None:
    """Each decision's line, typed as shown, is taken; the run then goes on with what is left."""
    ids = list_questions(asked)
    inbox = asked.call("inbox", "--team", "app:desk")
    assert inbox.out.endswith("\n6 open questions\n")
    lines = {
        step: inbox.find_lines(f"interlock answer app:desk t17 {ids[step]} {decision}")
        for step, decision in zip("abcd", DECISIONS, strict=True)
    }
    for step, (line, *others) in lines.items():
        assert others == []
        assert (asked.paste(line) if step in "bd" else asked.type(line)).code == 4
    result = asked.call("resume", "app:desk", "t17", "--json").events[-1]["result"]
    assert result["outputs"]["a"] == {"text": "Dear  customer", "told": []}
    assert result["outcomes"]["a"]["approved_by_person"]
    assert result["outcomes"]["c"]["status"] == "failed"
    assert "why not" in result["outcomes"]["c"]["reason"]
    asked_again = {question["step_id"]: question for question in result["questions"]}
    assert sorted(asked_again) == ["b", "d", "e", "f"]
    # The value that `edit` suggests is the one that was refused, blanks and all.
    assert asked_again["b"]["id"] != ids["b"]
    assert asked_again["b"]["args"] == {"text": "Dear  customer", "told": []}
    assert "what to do" in asked_again["d"]["args"]["told"][0]


def test_several_answers_come_from_a_file(asked: Shell) -> None:
    """--file answers any number at once, with edited values; the run ends when none is left."""
    ids = list_questions(asked)
    some = {
        ids["a"]: {"type": "approve"},
        ids["b"]: {"type": "edit", "value": {"text": "Dear Ada"}},
        ids["c"]: {"type": "reject", "message": "too kind"},
    }
    rest = {ids[step]: {"type": "approve"} for step in "def"}
    done = answer_with(asked, some)
    assert (done.code, done.events[-1]["result"]["outputs"]["b"]) == (4, {"text": "Dear Ada"})
    done = answer_with(asked, rest)
    assert (done.code, done.events[-1]["status"]) == (5, "failed")
    assert shell_says(asked, "inbox") == "0 open questions\n"


def answer_with(shell: Shell, answers: object) -> Done:
    """Return what `answer --file` did with these answers."""
    (shell.folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
    return shell.call("answer", "app:desk", "t17", "--file", "answers.json", "--json")


def shell_says(shell: Shell, *command: str) -> str:
    """Return what a reading command prints."""
    return shell.call(*command, "--team", "app:desk").out


def test_a_value_can_come_from_a_file(asked: Shell) -> None:
    """`edit` takes its value as JSON or as @file."""
    ids = list_questions(asked)
    (asked.folder / "value.json").write_text('{"text": "Dear Ada"}', encoding="utf-8")
    done = asked.call("answer", "app:desk", "t17", ids["a"], "edit", "@value.json", "--json")
    assert done.events[-1]["result"]["outputs"]["a"] == {"text": "Dear Ada"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("QUESTION",), "Give one answer as QUESTION_ID and a decision"),
        ((), "Give one answer as QUESTION_ID and a decision"),
        (("QUESTION", "approve", "yes"), "approve takes no value; seen: 'yes'"),
        (("QUESTION", "edit"), "edit needs the new value as JSON or @file"),
        (("QUESTION", "edit", "{text"), "The value of edit is not JSON: '{text'"),
        (("QUESTION", "edit", "@none.json"), "The file 'none.json' cannot be read"),
        (("QUESTION", "reject"), "reject needs a text"),
        (("QUESTION", "perhaps"), "'perhaps' is no decision. Use one of: approve, edit"),
        (("q-1", "approve"), "has no question 'q-1'. Open questions: q-"),
        (("--file", "none.json"), "The file 'none.json' cannot be read"),
        (("--file", "app.py"), "--file is not JSON: file 'app.py'"),
        (("--file", "bad.json"), "The answer to 'q-1' in 'bad.json' cannot be read: type:"),
        (("QUESTION", "approve", "--file", "bad.json"), "not both"),
    ],
)
def test_an_answer_that_is_no_good_changes_nothing(
    asked: Shell, arguments: tuple[str, ...], words: str
) -> None:
    """A mistyped answer exits with 2, says what is wrong, and leaves every question open."""
    before = list_questions(asked)
    (asked.folder / "bad.json").write_text('{"q-1": {"type": "maybe"}}', encoding="utf-8")
    filled = [before["a"] if word == "QUESTION" else word for word in arguments]
    done = asked.call("answer", "app:desk", "t17", *filled)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert list_questions(asked) == before


def test_an_answer_counts_once(asked: Shell) -> None:
    """The same answer twice is harmless; another one is refused, with the line that shows why."""
    ids = list_questions(asked)
    first = ("answer", "app:desk", "t17", ids["a"], "approve")
    assert asked.call(*first).code == 4
    assert asked.call(*first).code == 4
    refused = asked.call("answer", "app:desk", "t17", ids["a"], "reject", "no")
    assert refused.code == 2
    assert "was answered otherwise before" in refused.err
    (line,) = refused.find_lines("inbox")
    assert asked.type(line).code == 0


def test_an_inbox_without_a_team_says_what_to_fill_in(asked: Shell) -> None:
    """Without --team the lines hold a placeholder, and a note says what it stands for."""
    inbox = asked.call("inbox", "--storage", "sqlite:///desk.db")
    assert len(inbox.find_lines("interlock answer TEAM t17")) == 6 * len(DECISIONS)
    assert inbox.out.splitlines()[-1].startswith("TEAM stands for your team")
