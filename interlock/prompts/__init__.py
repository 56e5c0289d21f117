"""Prompts as package data: one Markdown file a prompt, with a version in its first line."""

from functools import lru_cache
from importlib import resources
from string import Template


@lru_cache(maxsize=64)
def load_prompt(name: str) -> Template:
    """Return a prompt's text as a template; `$name` marks are filled by the caller.

    Args:
        name: File name without its ending.
    """
    text = resources.files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    return Template(text.split("\n", 1)[1].lstrip("\n"))
