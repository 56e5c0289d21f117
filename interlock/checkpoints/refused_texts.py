"""Texts that no database takes."""

from interlock.contracts.errors import PlainValueError


def refuse_text(error: UnicodeEncodeError) -> PlainValueError:
    """Return the typed error for a text that is no Unicode text, as a driver meets it."""
    seen = f"{error.object[:80]!r}, with a lone surrogate"
    refused = PlainValueError(path="a text", seen=seen)
    refused.__cause__ = error
    return refused
