"""Storage URLs: `sqlite:///relative.db`, `postgresql://user@host/database`, `memory://`."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote

from interlock.contracts.errors import ConfigurationError

StorageKind: TypeAlias = Literal["memory", "sqlite", "postgresql"]

DEFAULT_SCHEMA: Final = "interlock"
DEFAULT_POOL_SIZE: Final = 8
_MOST_CONNECTIONS: Final = 200
_SCHEMA_OPTION: Final = "interlock_schema"
_POOL_OPTION: Final = "interlock_pool_size"
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_OWN_OPTIONS: Final = (_SCHEMA_OPTION, _POOL_OPTION)
_POSTGRES_SCHEMES: Final = ("postgresql", "postgres")
_POSTGRES: Final = re.compile(
    r"(?P<place>\w+://(?:[^/@]*@)?(?P<hosts>[^/?@]*)(?:/[^?@]*)?)(?:\?(?P<options>.*))?", re.DOTALL
)
_HOST: Final = re.compile(r"(?:\[[^]]*\]|[^:[\]]*)(?::\d*)?")
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_USER_PASSWORD: Final = re.compile(r"(://[^:/?#@]*:|^(?![\w+.-]+://)[^:@]*:).*@", re.DOTALL)
"""Up to the last @: a password may hold characters that should have been written as %40 and so on."""
_PASSWORD_OPTION: Final = re.compile(r"((?:password|secret)\s*=\s*)(?:'[^']*'|[^&\s]*)")
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
        conninfo: What PostgreSQL's client library is given: the URL without our own options, with
            the password; shown nowhere.
        schema: The PostgreSQL schema that holds our tables.
        pool_size: Most PostgreSQL connections that one storage holds.
    """

    text: str
    kind: StorageKind
    path: Path | None = None
    conninfo: str = field(default="", repr=False)
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
        shown = hide_password(text)
        near = f"Did you mean {f'sqlite:///{shown}'!r}? " if text and not mark else ""
        raise ConfigurationError(
            f"Storage URL {shown!r} has a scheme that is not known here. {near}{_KNOWN}"
        )
    path = unquote(rest.removeprefix("/"))
    if not rest.startswith("/") or not path or path.endswith("/"):
        raise ConfigurationError(
            f"Storage URL {text!r} names no file. Write sqlite:///relative.db "
            "(three slashes) or sqlite:////absolute/path.db (four)."
        )
    return StorageUrl(text=text, kind="sqlite", path=Path(path))


def hide_password(text: str) -> str:
    """Return a storage URL, or what was meant to be one, as it may be shown: `***` for a password."""
    hidden = text if text.startswith("sqlite:") else _USER_PASSWORD.sub(r"\1***@", text)
    return _PASSWORD_OPTION.sub(r"\1***", hidden)


def _parse_postgres(text: str) -> StorageUrl:
    """Return what a URL names, which PostgreSQL's client library reads but for our own options."""
    shown = hide_password(text)
    found = _POSTGRES.fullmatch(text)
    if found is None or _BAD_PERCENT.search(text) or not _has_ports(found["hosts"]):
        # Nothing of the URL is shown: what cannot be read may be a part of the password.
        raise ConfigurationError(
            "The PostgreSQL storage URL cannot be read. Write postgresql://user@host:5432/database. In "
            "a password write %40 for @, %2F for /, %25 for %, or hand it over in PGPASSWORD."
        )
    options = [item for item in (found["options"] or "").split("&") if item]
    if not all("=" in item for item in options):
        raise ConfigurationError(
            "The PostgreSQL storage URL has an option without a value. Write ?name=value&name=value."
        )
    ours = {name: value for name, _, value in (item.partition("=") for item in options)}
    schema = unquote(ours.get(_SCHEMA_OPTION, DEFAULT_SCHEMA))
    if _SCHEMA.fullmatch(schema) is None:
        raise ConfigurationError(
            f"{_SCHEMA_OPTION}={schema!r} in {shown!r} is no name for a schema. Use small letters, "
            "digits and underscores."
        )
    theirs = [item for item in options if item.partition("=")[0] not in _OWN_OPTIONS]
    return StorageUrl(
        text=shown,
        kind="postgresql",
        conninfo="?".join((found["place"], "&".join(theirs))).rstrip("?"),
        schema=schema,
        pool_size=_parse_pool_size(ours.get(_POOL_OPTION, str(DEFAULT_POOL_SIZE)), shown),
    )


def _has_ports(hosts: str) -> bool:
    """Return whether each host has a number for a port, or none: not the rest of a password."""
    return all(_HOST.fullmatch(host) is not None for host in hosts.split(","))


def _parse_pool_size(text: str, shown: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST_CONNECTIONS:
        raise ConfigurationError(
            f"{_POOL_OPTION}={text!r} in {shown!r} is no number of connections. Give one from 1 "
            f"to {_MOST_CONNECTIONS}."
        )
    return int(text)
