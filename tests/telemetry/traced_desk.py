"""A team of two steps, the second of which waits to be killed; says in which span each was made."""

import asyncio
import json
import os
from pathlib import Path

from opentelemetry import trace

import interlock as il

NOTES = Path("spans.jsonl")
GO = Path("go")


def note(brief: il.Brief) -> None:
    """Write down the span that this work is done in, and the one around it: the attempt's."""
    span = trace.get_current_span()
    noted = {
        "step": brief.step_id,
        "work": span.get_span_context().span_id,
        "attempt": span.parent.span_id,  # type: ignore[attr-defined]
        "trace": span.get_span_context().trace_id,
    }
    with NOTES.open("a") as file:
        file.write(json.dumps(noted) + "\n")
        file.flush()
        os.fsync(file.fileno())


async def first(brief: il.Brief) -> dict[str, object]:
    """Return at once."""
    note(brief)
    return {"n": 1}


async def second(brief: il.Brief) -> dict[str, object]:
    """Return if it may; else wait for the end."""
    note(brief)
    if not GO.exists():
        await asyncio.sleep(3600)
    return {"n": 2}


desk = il.Orchestrator(
    workers=[il.Worker(name="first", agent=first), il.Worker(name="second", agent=second)],
    planner=il.TaskGraph(
        goal="g",
        steps=[
            il.Step(id="first", worker="first", instruction="Begin"),
            il.Step(id="second", worker="second", instruction="End", needs=["first"]),
        ],
    ),
    storage="sqlite:///desk.db",
    name="desk",
)
