"""Questions for people: what is asked, what is shown, and what may be answered."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from interlock.console.clean_text import clean_text, shorten, show_duration, show_value
from interlock.console.command_line import draw_command
from interlock.console.effect_questions import word_asked_effects, word_meaning
from interlock.console.palette import STYLES
from interlock.contracts.question import Question

_SHOWN_LIMIT: Final = 1200
_KINDS: Final = {
    "plan": "may the plan run",
    "before_step": "may the step start",
    "output": "what to do with the step",
    "worker": "asked by the worker",
    "effect": "did the effect happen",
    "orphans": "may the effects stand",
}


def draw_question(
    question: Question, *, commands: Sequence[str], now: datetime | None = None
) -> RenderableType:
    """Return a question with the command lines that answer it.

    Args:
        question: Open.
        commands: One a decision, ready to be typed; printable.
        now: Tells how old it is; left out, its age is not shown.
    """
    head = Text.assemble("  ", (question.id, f"bold {STYLES['odd']}"))
    facts = [f"thread {clean_text(question.thread_id)}"]
    if question.step_id:
        facts.append(f"step {clean_text(question.step_id)}")
    facts.append(_KINDS[question.kind])
    if now is not None:
        facts.append(f"asked {show_duration((now - question.asked_at).total_seconds())} ago")
    head.append("  " + ", ".join(facts), style="dim")
    parts: list[RenderableType] = [
        head,
        _set_in(Text(shorten(question.description, _SHOWN_LIMIT))),
    ]
    effects = word_asked_effects(question, now=now)
    if effects is not None:
        parts += [_set_in(Text(line, overflow="fold")) for line in effects]
    elif question.args not in (None, question.description):
        shown = Text(f"shown: {show_value(question.args, _SHOWN_LIMIT)}", overflow="fold")
        parts.append(_set_in(shown))
    return Group(*parts, *_draw_decisions(question, commands))


def _draw_decisions(question: Question, commands: Sequence[str]) -> Iterator[RenderableType]:
    meanings = [word_meaning(question, decision) for decision in question.allowed]
    if not all(meanings):
        allowed = ", ".join(question.allowed)
        yield _set_in(Text(f"allowed: {allowed}{'; for example:' if commands else ''}"))
        yield from (draw_command(command, indent=6) for command in commands)
        return
    for decision, meaning, command in zip_longest(question.allowed, meanings, commands):
        yield _set_in(Text(f"{decision}: {meaning}"))
        if command is not None:
            yield draw_command(command, indent=6)


def _set_in(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 4), expand=False)
