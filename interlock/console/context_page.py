"""A thread's shared context for a person: what holds, or the story of one fact."""

from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, count_of, shorten, show_value
from interlock.console.command_line import draw_command
from interlock.console.fact_words import (
    WHY_LIMIT,
    word_cause,
    word_maker,
    word_mark,
    word_ref,
    word_space,
    word_step,
    word_uses,
)
from interlock.console.palette import STYLES
from interlock.contracts.context_records import FactRecord, Provenance
from interlock.contracts.context_view import ContextView, FactStory
from interlock.contracts.ids import StepId, ThreadId

_VALUE_LIMIT: Final = 300

WordHandoffs = Callable[[ThreadId, StepId], str]
"""Returns the command line that shows a step's handoffs."""


def draw_context(view: ContextView) -> Group:
    """Return a thread's shared context as a page."""
    if not view.facts:
        return Group(Text("No facts: nothing was given at the start, and no step has published."))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, fact in view.facts.items():
        table.add_row(Text(clean_text(key), style="bold"), _draw_value(fact))
        for line in _describe(fact, view):
            table.add_row("", line)
        table.add_row("")
    return Group(table, Text(_word_total(view), style="bold"), *_draw_resting(view))


def draw_story(story: FactStory, *, word_handoffs: WordHandoffs) -> Group:
    """Return every version of a fact: who put it there, from what, and what rests on it.

    Args:
        story: Of at least one version.
        word_handoffs: Returns the line that shows what was handed over in a step.
    """
    newest = story.versions[-1].fact
    space = word_space(newest.space, thread_id=story.thread_id)
    head = Text(clean_text(story.key), style="bold")
    if space:
        head.append(f"  of {space}", style="default")
    parts: list[RenderableType] = [head, Text("")]
    for entry in story.versions:
        parts += _draw_version(entry, story, word_handoffs=word_handoffs)
    return Group(*parts)


def draw_amended(fact: FactRecord, *, marked: int) -> Group:
    """Return what a person's word has made of a fact."""
    verb = "corrected" if fact.is_held else "retracted"
    head = Text(f"{clean_text(fact.key)} ", style="bold").append(verb, style=STYLES["good"])
    consequence = (
        "Steps that start from now on are shown this value."
        if fact.is_held
        else "No step is shown it any more."
    )
    rests = (
        f" {count_of(marked, 'fact')} that rested on it {'is' if marked == 1 else 'are'} marked."
    )
    return Group(head, Text(f"Recorded. {consequence}{rests if marked else ''}"))


def _draw_value(fact: FactRecord) -> Text:
    if not fact.is_held:
        return Text("retracted", style=STYLES["odd"])
    return Text(show_value(fact.value, _VALUE_LIMIT))


def _describe(fact: FactRecord, view: ContextView) -> Iterator[Text]:
    space = word_space(fact.space, thread_id=view.thread_id)
    home = f" of {space}" if space else ""
    maker = word_maker(fact.made, thread_id=view.thread_id)
    yield Text(f"v{fact.version}{home}: {maker}", style="dim")
    for mark in view.marks.get(fact.key, ()):
        yield Text(word_mark(mark, thread_id=view.thread_id), style=STYLES["odd"])


def _word_total(view: ContextView) -> str:
    held = sum(fact.is_held for fact in view.facts.values())
    gone = len(view.facts) - held
    words = count_of(held, "fact") + (f", {gone} retracted" if gone else "")
    if not view.newest:
        return words
    version = f"version {view.version}"
    return f"{words}; {version}" + (f" of {view.newest}" if view.version != view.newest else "")


def _draw_resting(view: ContextView) -> Iterator[Text]:
    if not view.resting:
        return
    yield Text("\nRests on what was taken back:")
    for step_id, mark in view.resting.items():
        line = Text(f"  step {clean_text(step_id)}  ", style=STYLES["odd"])
        yield line.append(word_cause(mark, thread_id=view.thread_id), style="default")


def _draw_version(
    entry: Provenance, story: FactStory, *, word_handoffs: WordHandoffs
) -> Iterator[RenderableType]:
    fact, thread_id = entry.fact, story.thread_id
    yield Text(f"version {fact.version}  ").append_text(_draw_value(fact))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row("origin", Text(word_maker(fact.made, thread_id=thread_id)))
    for name, words in _list_facts(entry, story):
        if words:
            table.add_row(name, Text(words))
    for finding in fact.made.findings:
        words = shorten(f"{finding.criterion}: {finding.message}".strip(": "), WHY_LIMIT)
        table.add_row("passed" if finding.passed else "let pass", Text(words))
    for mark in entry.marks:
        table.add_row("", Text(word_mark(mark, thread_id=thread_id), style=STYLES["odd"]))
    yield Padding(table, (0, 0, 0, 2), expand=False)
    if fact.made.step_id is not None:
        yield draw_command(word_handoffs(fact.made.thread_id, fact.made.step_id), indent=4)
    yield Text("")


def _list_facts(entry: Provenance, story: FactStory) -> Iterator[tuple[str, str]]:
    """Yield what a version comes from, and where it went, each in words."""
    fact, thread_id = entry.fact, story.thread_id
    if fact.made.brief_hash is not None:
        yield "from the brief", fact.made.brief_hash[:12]
    yield "from outputs", ", ".join(map(clean_text, story.outputs.get(fact.version, ())))
    sources = [word_ref(ref, thread_id=thread_id) for ref in entry.sources]
    yield "from facts", ", ".join(sources)
    yield "rule", fact.rule if fact.rule != "refuse" else ""
    yield "shown to", word_uses(entry.uses, thread_id=thread_id)
    dependents = story.dependents.get(fact.version, ())
    yield "then behind", ", ".join(word_step(*one, thread_id=thread_id) for one in dependents)
    resting = story.facts.get(fact.version, ())
    yield "facts on it", ", ".join(word_ref(ref, thread_id=thread_id) for ref in resting)
