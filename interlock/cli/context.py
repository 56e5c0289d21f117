"""A thread's shared context: shown, traced, and taken back or corrected by a person."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.cli.team_loading import load_team
from interlock.console.context_page import draw_amended, draw_context, draw_story
from interlock.console.json_lines import dump_value
from interlock.contracts.clock import SystemClock
from interlock.contracts.context_records import FactRecord, FactRef, Provenance
from interlock.contracts.context_view import ContextView, FactStory
from interlock.contracts.storage import Storage
from interlock.orchestrator.context_reading import load_context, load_story, retract_fact


def show_context(
    output: Output, *, commands: CommandLines, version: int | None, step: str | None
) -> int:
    """Show what holds on a thread or in the team of one of its steps, or held at a version."""
    view = read(
        commands,
        lambda storage: load_context(storage, commands.thread_id, version=version, step=step),
    )
    output.show(draw_context(view), data=_dump_view(view))
    return ExitCode.COMPLETED


def show_story(output: Output, *, commands: CommandLines, key: str, step: str | None) -> int:
    """Show where a fact comes from, and what rests on it."""
    story = read(commands, lambda storage: load_story(storage, commands.thread_id, key, step=step))
    output.show(draw_story(story, word_handoffs=commands.handoffs_of), data=_dump_story(story))
    return ExitCode.COMPLETED


def retract(output: Output, *, commands: CommandLines, key: str, why: str) -> int:
    """Take a fact back."""

    async def amend(storage: Storage) -> tuple[FactRecord, Sequence[FactRef]]:
        now = SystemClock().now()
        fact = await retract_fact(storage, commands.thread_id, key, why=why, at=now)
        return fact, await _load_marked(storage, fact)

    fact, marked = read(commands, amend)
    return _show_amended(output, fact, marked)


def correct(output: Output, *, commands: CommandLines, key: str, value: object, why: str) -> int:
    """Put another value in the place of a fact, held to what the team declares of it."""
    desk = load_team(str(commands.team), storage=commands.storage)

    async def amend() -> FactRecord:
        async with desk:
            return await desk.acorrect(commands.thread_id, key, value=value, why=why)

    fact = asyncio.run(amend())
    located = replace(commands, storage=desk.storage_url)
    return _show_amended(output, fact, read(located, lambda storage: _load_marked(storage, fact)))


async def _load_marked(storage: Storage, fact: FactRecord) -> Sequence[FactRef]:
    if fact.replaces is None:
        return ()
    return await storage.context.load_resting(FactRef(fact.space, fact.key, fact.replaces))


def _show_amended(output: Output, fact: FactRecord, marked: Sequence[FactRef]) -> int:
    data = {"fact": dump_value(fact), "marked": [ref._asdict() for ref in marked]}
    output.show(draw_amended(fact, marked=len(marked)), data=data)
    return ExitCode.COMPLETED


def _dump_view(view: ContextView) -> dict[str, Any]:
    return {
        "thread_id": view.thread_id,
        "version": view.version,
        "newest": view.newest,
        "facts": {key: dump_value(fact) for key, fact in view.facts.items()},
        "marks": {key: [dump_value(mark) for mark in marks] for key, marks in view.marks.items()},
        "resting": {step: dump_value(mark) for step, mark in view.resting.items()},
    }


def _dump_story(story: FactStory) -> dict[str, Any]:
    return {
        "thread_id": story.thread_id,
        "key": story.key,
        "versions": [_dump_version(entry, story) for entry in story.versions],
    }


def _dump_version(entry: Provenance, story: FactStory) -> dict[str, Any]:
    version = entry.fact.version
    return {
        "fact": dump_value(entry.fact),
        "sources": [ref._asdict() for ref in entry.sources],
        "outputs": list(story.outputs.get(version, ())),
        "uses": [dump_value(use) for use in entry.uses],
        "dependents": [
            {"thread_id": thread_id, "step_id": step_id}
            for thread_id, step_id in story.dependents.get(version, ())
        ],
        "facts": [ref._asdict() for ref in story.facts.get(version, ())],
        "marks": [dump_value(mark) for mark in entry.marks],
    }
