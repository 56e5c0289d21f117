"""How a run stands or ended, for a person: status, outputs, gaps, questions, and what to type."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_lines, clean_text, count_of, shorten, show_value
from interlock.console.event_words import STATUS_MOODS
from interlock.console.palette import STYLES
from interlock.console.question_page import draw_question
from interlock.contracts.outcome import RunResult, StepOutcome
from interlock.contracts.question import Question

_OUTPUT_LIMIT: Final = 300
_REASON_LIMIT: Final = 2000
_MOST_OUTPUTS: Final = 40
_MOST_GAPS: Final = 40
_UNSETTLED: Final = frozenset({"failed", "blocked", "cancelled", "skipped", "degraded"})

WordAnswer = Callable[[Question], Sequence[str]]


def draw_result(
    result: RunResult, *, word_answers: WordAnswer, journal_command: str | None = None
) -> Group:
    """Return a result as a page.

    Args:
        result: As a run returned it.
        word_answers: Returns the command lines that answer a question.
        journal_command: The command line that shows every attempt in full.
    """
    return Group(*_draw_parts(result, word_answers, journal_command))


def _draw_parts(
    result: RunResult, word_answers: WordAnswer, journal_command: str | None
) -> Iterator[RenderableType]:
    yield Text("")
    yield _draw_headline(result)
    if result.reason:
        yield from _draw_reason(result.reason)
    if result.outputs:
        yield from _draw_outputs(result)
    missing = [o for o in result.outcomes.values() if o.status in _UNSETTLED]
    if missing:
        yield Text("\nNot as planned", style="bold")
        yield _draw_missing(missing)
        if journal_command is not None and any(outcome.attempts for outcome in missing):
            yield Text("  Every attempt in full, and where errors were raised:")
            yield Text(f"    {journal_command}", no_wrap=True, overflow="ignore")
    yield from _draw_list("Gaps", result.gaps)
    yield from _draw_list("Notes", result.notes)
    if result.questions:
        yield Text("\nOpen questions", style="bold")
        for question in result.questions:
            yield draw_question(question, commands=word_answers(question))


def _draw_list(title: str, entries: Sequence[str]) -> Iterator[Text]:
    """Yield what a result lacks or has settled for; nothing if it is empty."""
    if not entries:
        return
    yield Text(f"\n{title}", style="bold")
    yield from (Text(f"  - {shorten(entry, 500)}") for entry in entries[:_MOST_GAPS])
    if len(entries) > _MOST_GAPS:
        yield Text(f"  and {len(entries) - _MOST_GAPS} more")


def _draw_reason(reason: str) -> Iterator[Text]:
    """Yield a reason with its own lines, such as a list of problems, each set in."""
    cut = f"{reason[:_REASON_LIMIT]}…" if len(reason) > _REASON_LIMIT else reason
    yield from (Text(f"  {line}") for line in clean_lines(cut))


def _draw_headline(result: RunResult) -> Text:
    text = Text(result.status, style=f"bold {STYLES[STATUS_MOODS[result.status]]}")
    done = sum(outcome.is_terminal for outcome in result.outcomes.values())
    text.append(f"  thread {clean_text(result.thread_id)}", style="default")
    facts = [f"{count_of(done, 'step')} settled"]
    if result.usage.attempts:
        facts.append(count_of(result.usage.attempts, "attempt"))
    if result.usage.model_calls:
        facts.append(count_of(result.usage.model_calls, "model call"))
    if result.usage.tokens:
        facts.append(f"{result.usage.tokens} tokens")
    if result.usage.money:
        facts.append(f"{result.usage.money:f} of money")
    if result.questions:
        facts.append(count_of(len(result.questions), "open question"))
    text.append("  " + ", ".join(facts), style="dim")
    return text


def _draw_outputs(result: RunResult) -> Iterator[RenderableType]:
    yield Text("\nOutputs", style="bold")
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    shown = list(result.outputs.items())[:_MOST_OUTPUTS]
    for step_id, value in shown:
        table.add_row(Text(f"  {clean_text(step_id)}"), Text(show_value(value, _OUTPUT_LIMIT)))
    yield table
    if len(result.outputs) > len(shown):
        yield Text(f"  and {len(result.outputs) - len(shown)} more (--json shows all)")


def _draw_missing(outcomes: Sequence[StepOutcome]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for outcome in outcomes[:_MOST_OUTPUTS]:
        table.add_row(
            Text(f"  {clean_text(outcome.step_id)}"),
            Text(outcome.status, style=STYLES[STATUS_MOODS[outcome.status]]),
            Text(shorten(outcome.reason or "", _OUTPUT_LIMIT)),
        )
    return table
