"""Storage URLs: `sqlite:///relative.db`, `postgresql://user@host/database`, `memory://`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from interlock.contracts.errors import ConfigurationError

StorageKind: TypeAlias = Literal["memory", "sqlite", "postgresql"]

DEFAULT_SCHEMA: Final = "interlock"
DEFAULT_POOL_SIZE: Final = 8
_MOST_CONNECTIONS: Final = 200
_SCHEMA_OPTION: Final = "interlock_schema"
_POOL_OPTION: Final = "interlock_pool_size"
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_POSTGRES_SCHEMES: Final = ("postgresql", "postgres")
_KNOWN: Final = (
    "Known: sqlite:///relative.db, sqlite:////absolute/path.db, "
    "postgresql://user@host/database, memory://."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageUrl:
    """Where a storage lies.

    Attributes:
        text: The URL as messages may show it: without a password.
        kind: Which database.
        path: The file of an SQLite database; None for another.
        conninfo: What PostgreSQL's client library is given: the URL without our own options.
        schema: The PostgreSQL schema that holds our tables.
        pool_size: Most PostgreSQL connections that one storage holds.
    """

    text: str
    kind: StorageKind
    path: Path | None = None
    conninfo: str = ""
    schema: str = DEFAULT_SCHEMA
    pool_size: int = DEFAULT_POOL_SIZE


def parse_storage_url(text: str) -> StorageUrl:
    """Return what a storage URL names.

    Raises:
        ConfigurationError: The scheme is unknown, or the URL names no database.
    """
    if text == "memory://":
        return StorageUrl(text=text, kind="memory")
    scheme, mark, rest = text.partition("://")
    if mark and scheme in _POSTGRES_SCHEMES:
        return _parse_postgres(text)
    if scheme != "sqlite" or not mark:
        near = f"Did you mean {f'sqlite:///{text}'!r}? " if text and not mark else ""
        raise ConfigurationError(
            f"Storage URL {text!r} has a scheme that is not known here. {near}{_KNOWN}"
        )
    path = unquote(rest.removeprefix("/"))
    if not rest.startswith("/") or not path or path.endswith("/"):
        raise ConfigurationError(
            f"Storage URL {text!r} names no file. Write sqlite:///relative.db "
            "(three slashes) or sqlite:////absolute/path.db (four)."
        )
    return StorageUrl(text=text, kind="sqlite", path=Path(path))


def hide_password(text: str) -> str:
    """Return a storage URL as it may be shown: `***` for a password."""
    try:
        return parse_storage_url(text).text
    except ConfigurationError:
        return text


def _parse_postgres(text: str) -> StorageUrl:
    try:
        parts = urlsplit(text)
        options = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
        shown_host = _hide_user_password(parts.netloc)
    except ValueError as exc:
        raise ConfigurationError(
            f"The PostgreSQL storage URL cannot be read: {exc}. Write "
            "postgresql://user@host:5432/database."
        ) from exc
    shown = urlunsplit(parts._replace(netloc=shown_host))
    schema = options.pop(_SCHEMA_OPTION, DEFAULT_SCHEMA)
    if _SCHEMA.fullmatch(schema) is None:
        raise ConfigurationError(
            f"{_SCHEMA_OPTION}={schema!r} in {shown!r} is no name for a schema. Use small letters, "
            "digits and underscores."
        )
    pool_size = _parse_pool_size(options.pop(_POOL_OPTION, str(DEFAULT_POOL_SIZE)), shown)
    return StorageUrl(
        text=shown,
        kind="postgresql",
        conninfo=urlunsplit(parts._replace(query=urlencode(options))),
        schema=schema,
        pool_size=pool_size,
    )


def _hide_user_password(netloc: str) -> str:
    user, mark, host = netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{name}:***{mark}{host}" if colon else netloc


def _parse_pool_size(text: str, shown: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_CONNECTIONS:
        raise ConfigurationError(
            f"{_POOL_OPTION}={text!r} in {shown!r} is no number of connections. Give one from 1 "
            f"to {_MOST_CONNECTIONS}."
        )
    return int(text)
