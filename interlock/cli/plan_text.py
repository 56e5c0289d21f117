"""A plan as YAML that a person can read and change, and that comes back as it was."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from interlock.console.clean_text import clean_lines
from interlock.contracts.plain import Plain
from interlock.contracts.plan import TaskGraph

_CHOICES = ("criteria", "fallback")
"""What a step holds several kinds of; the kind says which, though each class has it by default."""


def write_plan(plan: TaskGraph, *, is_versioned: bool = True) -> str:
    """Return a plan as YAML, without what is so by default.

    Args:
        plan: Whole.
        is_versioned: Whether its version is written, if that is not the first.
    """
    dumped: dict[str, Any] = plan.model_dump(
        mode="json", exclude_defaults=True, exclude=None if is_versioned else {"version"}
    )
    for step, written in zip(plan.steps, dumped["steps"], strict=True):
        for name in _CHOICES:
            if name in written:
                written[name] = _name_kinds(getattr(step, name), written[name])
    return write_yaml(dumped)


def _name_kinds(chosen: Sequence[BaseModel], dumped: Sequence[Mapping[str, Any]]) -> list[Plain]:
    return [
        {"kind": getattr(one, "kind", None), **fields}
        for one, fields in zip(chosen, dumped, strict=True)
    ]


def write_yaml(value: Plain) -> str:
    """Return a plain value as YAML.

    Where a text holds what would steer a terminal, turn the line round or not come back as it was
    (YAML has line breaks of its own), everything beyond ASCII is escaped.
    """
    text = _dump_yaml(value, is_ascii=False)
    is_clean = text.isascii() or (
        list(clean_lines(text)) == text.splitlines() and yaml.safe_load(text) == value
    )
    return text if is_clean else _dump_yaml(value, is_ascii=True)


def _dump_yaml(value: Plain, *, is_ascii: bool) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=not is_ascii, width=100)
    return text
