"""Colours of the terminal, by mood."""

from typing import Final

from interlock.console.event_words import Mood

STYLES: Final[dict[Mood, str]] = {
    "good": "green",
    "bad": "red",
    "odd": "yellow",
    "quiet": "cyan",
}
