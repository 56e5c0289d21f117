"""Prompts as package data: one Markdown file a prompt, with name and version in its first line."""

import re
from functools import lru_cache
from importlib import resources
from string import Template
from typing import Final

_HEAD: Final = re.compile(r"<!-- (\w+), version (\d+): .+ -->")


@lru_cache(maxsize=64)
def load_prompt(name: str) -> Template:
    """Return a prompt's text as a template; `$name` marks are filled by the caller.

    Args:
        name: File name without its ending.
    """
    return Template(_read(name).split("\n", 1)[1].lstrip("\n"))


@lru_cache(maxsize=64)
def get_prompt_version(name: str) -> int:
    """Return a prompt's version; it goes up with every change of its text."""
    head = _HEAD.fullmatch(_read(name).split("\n", 1)[0])
    if head is None or head.group(1) != name:
        raise ValueError(
            f"The first line of prompts/{name}.md is not '<!-- {name}, version N: what for -->'. "
            "Correct it."
        )
    return int(head.group(2))


def _read(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
