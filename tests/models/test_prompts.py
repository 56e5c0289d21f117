"""Prompts are versioned: a changed text with an old version is seen here."""

import hashlib
from importlib import resources

import pytest

from interlock import prompts
from interlock.prompts import get_prompt_version, load_prompt

PINNED = {
    "answer_shape": (1, "31a7193eaaa81978"),
    "brief": (1, "25975b44f5e6e372"),
    "judge": (2, "863f5e2cf14be558"),
    "planner": (2, "65bb504b2e7f2b8d"),
    "routing": (2, "a4287cae738b9f60"),
}
"""Name to version and hash of the text. A change of the text needs a new version, then both here."""


@pytest.mark.parametrize("name", PINNED)
def test_a_text_changes_only_with_its_version(name: str) -> None:
    """Version and hash agree with what is pinned."""
    digest = hashlib.sha256(load_prompt(name).template.encode()).hexdigest()[:16]
    assert (get_prompt_version(name), digest) == PINNED[name]


def test_every_prompt_is_pinned() -> None:
    """Each is pinned here; a new one is added."""
    files = [item.name for item in resources.files(prompts).iterdir() if item.name.endswith(".md")]
    assert {name.removesuffix(".md") for name in files} == PINNED.keys()
