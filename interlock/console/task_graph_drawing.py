"""A task graph as a Mermaid flowchart."""

import re
from collections.abc import Iterator
from typing import Final

from interlock.console.clean_text import clean_text, shorten
from interlock.contracts.plan import Step, TaskGraph

_LABEL_LIMIT: Final = 60
_UNSAFE: Final = re.compile(r"[^\w .,:;!?/+*=-]")


def draw_task_graph(plan: TaskGraph) -> str:
    """Return a task graph as Mermaid text; a need that takes degraded results is dotted.

    Nodes are numbered, so that no step id can be taken for a word of Mermaid.
    """
    return "\n".join(_draw(plan)) + "\n"


def _draw(plan: TaskGraph) -> Iterator[str]:
    numbers = {step.id: number for number, step in enumerate(plan.steps)}
    yield "flowchart TD"
    for number, step in enumerate(plan.steps):
        yield f'    s{number}["{_label(step)}"]'
    unknown: dict[str, int] = {}
    for number, step in enumerate(plan.steps):
        for need in step.needs:
            arrow = "-.->" if need.accept_degraded else "-->"
            if need.step in numbers:
                yield f"    s{numbers[need.step]} {arrow} s{number}"
                continue
            if need.step not in unknown:
                unknown[need.step] = len(unknown)
                yield f'    u{unknown[need.step]}["{_escape(need.step)} is unknown"]:::unknown'
            yield f"    u{unknown[need.step]} {arrow} s{number}"
    if unknown:
        yield "    classDef unknown stroke:#c00,stroke-dasharray:4"


def _label(step: Step) -> str:
    head = f"<b>{_escape(step.id)}</b><br/>{_escape(step.worker)}"
    return f"{head}<br/>{_escape(shorten(step.instruction, _LABEL_LIMIT))}"


def _escape(text: str) -> str:
    """Return a label's text with Mermaid's entity codes for what it could read as syntax."""
    return _UNSAFE.sub(lambda found: f"#{ord(found.group())};", clean_text(text))
