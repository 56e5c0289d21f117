"""Questions about effects: the call, since when, and what each decision means."""

from datetime import timedelta
from typing import Any

import pytest

import interlock as il
from interlock.cli.command_lines import CommandLines
from interlock.console.question_page import draw_question
from tests.integration.cli.desk_app import HOSTILE
from tests.integration.cli.shell import require_clean
from tests.unit.console.sample_events import NOON, QUESTION
from tests.unit.console.test_effect_page import draw

UNKNOWN = {
    "key": "e-1a2b",
    "call": "pay_back(order='#W1')",
    "tool": "pay_back",
    "arguments": {"order": "#W1"},
    "began_at": (NOON - timedelta(minutes=3)).isoformat(),
}


def ask(kind: str, args: Any, *allowed: str) -> il.Question:
    """Return a question of a kind."""
    return il.Question.model_validate(
        {**QUESTION.model_dump(), "kind": kind, "args": args, "allowed": allowed}
    )


def draw_asked(question: il.Question, *, width: int = 80, **options: Any) -> list[str]:
    """Return the lines of a question, with the command lines that answer it."""
    commands = CommandLines(team="app:desk").answer(question)
    page = draw_question(question, **{"commands": commands, "now": NOON, **options})
    shown = draw(page, width=width)
    return [line.strip() for line in shown.split("\n")]


def test_an_unknown_effect_is_asked_about_in_words() -> None:
    """The call, since when, its key, and beside each decision what it means and what to type."""
    lines = draw_asked(ask("effect", UNKNOWN, "approve", "edit", "reject"))
    assert lines[0] == "q-1  thread t17, step reply, did the effect happen, asked 0.0 s ago"
    assert lines[2:-1] == [
        "call:  pay_back(order='#W1')",
        "begun: 2026-01-01 11:57:00 UTC, 3 min 0 s ago",
        "key:   e-1a2b",
        "approve: it happened; what it answered is not known",
        "interlock answer app:desk t17 q-1 approve",
        "edit: it happened, and this is what it answered",
        "interlock answer app:desk t17 q-1 edit @answer.json",
        "reject: it did not happen, so that it may be run again",
        "interlock answer app:desk t17 q-1 reject 'how you know'",
    ]


def test_orphans_are_listed_one_a_line() -> None:
    """Each effect that stands in vain is shown with the attempts that called for it."""
    orphan = {"key": "e-1", "call": "pay(1)", "state": "done", "attempts": ["pay@1f#1", "pay@1f#2"]}
    lines = draw_asked(ask("orphans", {"effects": [orphan, orphan]}, "approve", "reject"))
    assert "may the effects stand" in lines[0]
    assert lines[2:-1] == [
        "pay(1) is done, called by pay #1, #2",
        "pay(1) is done, called by pay #1, #2",
        "approve: let them stand",
        "interlock answer app:desk t17 q-1 approve",
        "reject: state them as a gap in the result",
        "interlock answer app:desk t17 q-1 reject 'why not'",
    ]


def test_without_command_lines_the_decisions_are_explained_all_the_same() -> None:
    """A run that is gone cannot be answered, but what was asked can be read."""
    lines = draw_asked(ask("effect", UNKNOWN, "approve", "reject"), commands=(), now=None)
    assert lines[3] == "begun: 2026-01-01 11:57:00 UTC"
    assert lines[5:-1] == [
        "approve: it happened; what it answered is not known",
        "reject: it did not happen, so that it may be run again",
    ]


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("effect", {"key": HOSTILE, "call": HOSTILE, "began_at": HOSTILE}),
        ("effect", {"key": [HOSTILE], "began_at": 7}),
        ("effect", [HOSTILE]),
        ("orphans", {"effects": [{"call": HOSTILE, "state": HOSTILE, "attempts": [HOSTILE]}, 1]}),
        ("orphans", {"effects": HOSTILE}),
    ],
)
def test_what_is_asked_about_is_inert(kind: str, args: Any) -> None:
    """Whatever stands in a question, its page is printable and is drawn."""
    lines = draw_asked(ask(kind, args, "approve", "reject"), width=1000)
    require_clean("\n".join(lines))
    assert not [line for line in lines if line.startswith(("FAKE", "12:00:00Z"))]


def test_other_questions_show_what_they_showed() -> None:
    """A question about an output lists what is allowed, with examples below."""
    lines = draw_asked(ask("output", {"text": "Dear"}, "approve", "edit"))
    assert lines[2:-1] == [
        'shown: {"text": "Dear"}',
        "allowed: approve, edit; for example:",
        "interlock answer app:desk t17 q-1 approve",
        'interlock answer app:desk t17 q-1 edit \'{"text": "Dear"}\'',
    ]
