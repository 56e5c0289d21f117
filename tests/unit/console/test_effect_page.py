"""Effects for a person: how each stands, who called for it, and what can be done."""

from datetime import timedelta
from io import StringIO
from typing import Any, get_args

import pytest
from rich.console import Console, RenderableType

from interlock.console.effect_page import draw_effects, draw_settled
from interlock.console.effect_words import (
    LABEL_MOODS,
    count_duplicates,
    name_state,
    word_attempts,
    word_total,
)
from interlock.contracts.effects import EffectState, RecordedError
from tests.integration.cli.desk_app import HOSTILE
from tests.integration.cli.shell import require_clean
from tests.unit.console import sample_effects as sample

LATER = sample.NOON + timedelta(minutes=10)


def draw(page: RenderableType, *, width: int = 80) -> str:
    """Return what a page looks like, without colours and the blanks that fill it up."""
    console = Console(width=width, file=StringIO(), markup=False, emoji=False, highlight=False)
    console.print(page, crop=False)
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in shown.split("\n"))


def draw_all(*effects: Any, is_full: bool = False, width: int = 80) -> str:
    """Return the page of effects."""
    page = draw_effects(
        effects,
        now=LATER,
        word_settlement=lambda key: [f"settle {key} --happened", f"settle {key} --not-happened"],
        is_full=is_full,
    )
    return draw(page, width=width)


def find_lines(shown: str, head: str) -> list[str]:
    """Return the lines below the one that begins so, up to an empty one."""
    lines = [line.strip() for line in shown.split("\n")]
    begin = next(i for i, line in enumerate(lines) if line.startswith(head))
    return lines[begin + 1 : lines.index("", begin)]


@pytest.mark.parametrize(
    ("effect", "head", "lines"),
    [
        (
            sample.DONE,
            "12:00:00  done      pay_back(order='#W1', cents=5000)",
            [
                "refund #1, #2 by clerk",
                'answer: {"refund": 7}',
                "stands, can be undone; 2 duplicates answered from the ledger",
            ],
        ),
        (
            sample.FAILED,
            "12:00:00  failed    pay_back(",
            [
                "refund #1 by clerk",
                "error RefusedError: the order is too old",
                "harmless twice (natural)",
            ],
        ),
        (
            sample.UNKNOWN,
            "12:00:00  unknown   pay_back(",
            [
                "refund #1 by clerk",
                "may stand, irreversible; whoever began it is gone",
            ],
        ),
        (
            sample.STARTED,
            "12:00:00  started   pay_back(",
            [
                "refund #1 by clerk",
                (
                    "may stand; running as far as is known, begun 2026-01-01 12:00:00 UTC, "
                    "10 min 0 s ago by process 17 on desk-1"
                ),
            ],
        ),
        (
            sample.AGAIN,
            "12:00:00  intended  pay_back(",
            [
                "refund #1 by clerk",
                (
                    "the next call runs it; try 2, as nothing had happened before; on the word of a "
                    "person: not in the bank's list"
                ),
            ],
        ),
        (
            sample.OUTSIDE,
            "12:00:00  done      pay_back(",
            [
                "outside a run, in 2 blocks",
                "answer: sent",
                "stands; 1 duplicate answered from the ledger",
            ],
        ),
    ],
    ids=lambda value: getattr(value, "key", None),
)
def test_an_effect_is_told_in_a_few_lines(effect: Any, head: str, lines: list[str]) -> None:
    """The call and how it stands, who called for it, what it answered, and whether it stands."""
    shown = draw_all(effect, width=200)
    assert shown.startswith(head)
    assert find_lines(shown, head) == lines


def test_an_undone_effect_and_its_undo_name_each_other() -> None:
    """What was taken back says by what and when; what took it back says what and for which step."""
    shown = draw_all(sample.UNDONE, sample.UNDO)
    assert find_lines(shown, "12:00:00  undone")[-1] == "undone at 12:05:00 by undo of pay_back"
    assert find_lines(shown, "12:04:00  done") == [
        "by supervisor, when refund settled",
        "takes back pay_back(order='#W1', cents=5000) of 12:00:00",
    ]


def test_an_undo_that_did_not_end_is_told_where_the_effect_is() -> None:
    """An effect whose undo is unknown stands, and says so."""
    undo = sample.UNDO.model_copy(update={"state": "unknown"})
    standing = sample.UNDONE.model_copy(update={"undone_by": None})
    lines = find_lines(draw_all(standing, undo), "12:00:00  done")
    assert lines[-1] == "stands, its undo is unknown, can be undone"


def test_the_closing_line_counts() -> None:
    """Every effect is counted once, by how it stands, and so are the answered duplicates."""
    assert word_total(sample.EFFECTS) == (
        "9 effects: 4 done, 1 undone, 1 failed, 1 unknown, 1 started, 1 intended; "
        "5 duplicates answered from the ledger"
    )
    assert word_total([sample.UNKNOWN]) == "1 effect: 1 unknown"


def test_calls_for_an_unknown_effect_were_not_answered() -> None:
    """A second call for an effect that is unknown got no answer, so it is not counted as one."""
    uses = (*sample.UNKNOWN.uses, sample.build_use("refund@1f0a#2"))
    asked_again = sample.UNKNOWN.model_copy(update={"uses": uses})
    assert count_duplicates(asked_again) == 0
    assert count_duplicates(asked_again.model_copy(update={"state": "done"})) == 1


def test_every_state_has_a_word_and_a_colour() -> None:
    """No state is left without a colour; undone is the one word that is no state."""
    assert set(LABEL_MOODS) == {*get_args(EffectState), "undone"}
    assert name_state(sample.UNDONE) == "undone"


def test_unknown_effects_come_with_the_lines_that_settle_them() -> None:
    """Each unknown effect is named at the end, with since when and by whom, and what to type."""
    shown = draw_all(sample.DONE, sample.UNKNOWN)
    assert "1 effect is unknown: begun, and nobody knows whether it happened." in shown
    assert find_lines(shown, "begun 2026-01-01 12:00:00 UTC, 10 min 0 s ago by process 17") == [
        "settle e-unknown --happened",
        "settle e-unknown --not-happened",
    ]
    assert "settle" not in draw_all(sample.DONE)
    two = draw_all(sample.UNKNOWN, sample.UNKNOWN)
    assert "2 effects are unknown: begun, and nobody knows whether they happened." in two


def test_all_that_is_known_is_shown_in_full() -> None:
    """Key, arguments, answer, every call and every change of state are there, one a line."""
    lines = [" ".join(line.split()) for line in draw_all(sample.DONE, is_full=True).split("\n")]
    for line in (
        "key e-done",
        '"order": "#W1",',
        '"refund": 7',
        "calls 12:00:00 began refund@1f0a#1 #0",
        "12:01:30 again refund@2b1c#2 #0",
        "history 12:00:00 try 1 started tool",
        "12:00:02 try 1 done tool",
    ):
        assert line in lines
    failed = draw_all(sample.FAILED, is_full=True)
    assert "error      shop.errors.RefusedError" in failed
    assert "answer" not in failed


@pytest.mark.parametrize(
    ("attempts", "words"),
    [
        (["a@1f#1", "a@1f#2", "a@2b#2"], "a #1, #2"),
        (["a@1f#1/b@2b#1", "a@1f#1/b@2b#2"], "a #1 / b #1, #2"),
        (["a@1f#1", "b@1f#1"], "a #1; b #1"),
        (["a@1f#undo"], "when a settled"),
        (["block@aa"], "outside a run"),
        (["block@aa", "block@aa", "block@bb"], "outside a run, in 2 blocks"),
        (["something else"], "something else"),
        ([], ""),
    ],
)
def test_attempts_are_named_without_ids(attempts: list[str], words: str) -> None:
    """A person reads steps and numbers, each once; what has another form is shown as it is."""
    assert word_attempts(attempts) == words


@pytest.mark.parametrize("is_full", [False, True])
def test_nothing_in_an_effect_steers_the_terminal(is_full: bool) -> None:
    """Tool, arguments, answer, error, worker, attempts and notes are inert, and forge no line."""
    hostile = sample.build_effect(
        "e-1",
        tool=HOSTILE,
        step_id=HOSTILE,
        worker=HOSTILE,
        arguments={HOSTILE: [HOSTILE]},
        answer={HOSTILE: HOSTILE},
        note=HOSTILE,
        runner=HOSTILE,
        uses=(sample.build_use(HOSTILE, did_start=True),),
        moves=(sample.build_move("done", note=HOSTILE),),
    )
    broken = hostile.model_copy(
        update={"state": "failed", "error": RecordedError(type=HOSTILE, message=HOSTILE)}
    )
    open_ones = [hostile.model_copy(update={"state": state}) for state in ("unknown", "started")]
    shown = draw_all(hostile, broken, *open_ones, is_full=is_full, width=1000)
    require_clean(shown)
    assert "[bold]loud[/bold]" in shown
    assert not [line for line in shown.split("\n") if line.startswith(("FAKE", "12:00:00Z"))]


@pytest.mark.parametrize(
    ("happened", "effect", "words"),
    [
        (True, sample.OUTSIDE, "happened\nRecorded. Duplicates get this answer: sent\n"),
        (False, sample.AGAIN, "did not happen\nRecorded. The next call for it runs the tool.\n"),
    ],
)
def test_what_a_person_settled_is_said_back(happened: bool, effect: Any, words: str) -> None:
    """The call, what was said about it, and what follows."""
    assert draw(draw_settled(effect, happened=happened)) == (
        f"pay_back(order='#W1', cents=5000) {words}"
    )


@pytest.mark.parametrize("is_full", [False, True])
def test_it_fits_a_terminal_of_80_columns(is_full: bool) -> None:
    """No line is longer than the terminal is wide, whatever the arguments are."""
    long = sample.build_effect("e-1", arguments={"text": "x" * 500}, answer="y" * 900)
    shown = draw_all(*sample.EFFECTS, long, is_full=is_full)
    assert max(map(len, shown.split("\n"))) <= 80
