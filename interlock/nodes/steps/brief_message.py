"""A brief as text, for workers that are spoken to in messages."""

import json

from interlock.contracts.brief import Brief
from interlock.contracts.plain import Plain, thaw
from interlock.prompts import load_prompt


def render_brief(brief: Brief) -> str:
    """Return everything in a brief that a worker should read, as one message."""
    sections = [
        _render_values("Inputs", thaw(brief.inputs)),
        _render_values("Context", thaw(brief.context)),
        _render_lines("Your answer must satisfy", brief.criteria),
        _render_lines("Your last attempt was not accepted. Mend this", brief.feedback),
        _render_lines("Done by earlier attempts and still standing", brief.effects),
        _render_lines("Your own notes", tuple(brief.scratchpad)),
    ]
    text = load_prompt("brief").substitute(
        instruction=brief.instruction, sections="\n".join(part for part in sections if part)
    )
    return text.strip()


def _render_values(title: str, values: dict[str, Plain]) -> str:
    if not values:
        return ""
    lines = (f"- {name}: {_render_value(value)}" for name, value in values.items())
    return f"\n{title}:\n" + "\n".join(lines)


def _render_value(value: Plain) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _render_lines(title: str, lines: tuple[str, ...]) -> str:
    return f"\n{title}:\n" + "\n".join(f"- {line}" for line in lines) if lines else ""
