"""Texts that PostgreSQL cannot hold, and bytes without a detour.

A text of PostgreSQL holds no NUL. One of ours may, so NUL is written as SUB and `0`, and SUB itself
as SUB and `1`: the same text has the same form always, so comparisons stay right.
"""

from typing import Final

from psycopg import Connection
from psycopg.adapt import Buffer
from psycopg.types.string import BytesBinaryDumper, StrDumperUnknown, TextBinaryLoader
from psycopg.types.string import TextLoader as PlainTextLoader

_ESCAPE: Final = "\x1a"
_TEXT_TYPES: Final = ("text", "varchar", "name")


class TextDumper(StrDumperUnknown):
    """Writes texts, without NUL."""

    def dump(self, obj: str) -> Buffer | None:
        """Return a text as it is sent."""
        return super().dump(escape_text(obj))


class TextLoader(TextBinaryLoader):
    """Reads texts that come in binary form, as our own statements ask for them."""

    def load(self, data: Buffer) -> bytes | str:
        """Return a text as it was given."""
        text = super().load(data)
        return restore_text(text) if isinstance(text, str) else text


class LentTextLoader(PlainTextLoader):
    """Reads texts that come in text form, as a user's statements get them."""

    def load(self, data: Buffer) -> bytes | str:
        """Return a text as it was given."""
        text = super().load(data)
        return restore_text(text) if isinstance(text, str) else text


def escape_text(text: str) -> str:
    """Return a text in the form that PostgreSQL can hold."""
    if "\x00" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, f"{_ESCAPE}1").replace("\x00", f"{_ESCAPE}0")


def restore_text(text: str) -> str:
    """Return the text that was given."""
    if _ESCAPE not in text:
        return text
    return text.replace(f"{_ESCAPE}0", "\x00").replace(f"{_ESCAPE}1", _ESCAPE)


def register_adapters(connection: Connection) -> None:
    """Let a connection use them."""
    connection.adapters.register_dumper(str, TextDumper)
    connection.adapters.register_dumper(bytes, BytesBinaryDumper)
    for name in _TEXT_TYPES:
        connection.adapters.register_loader(name, TextLoader)
        connection.adapters.register_loader(name, LentTextLoader)
