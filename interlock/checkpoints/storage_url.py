"""Storage URLs: `sqlite:///relative.db`, `sqlite:////abs/path.db`, `memory://`."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from interlock.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class StorageUrl:
    """Where a storage lies.

    Attributes:
        text: The URL as it was given.
        path: The database file; None for a database in memory.
    """

    text: str
    path: Path | None


def parse_storage_url(text: str) -> StorageUrl:
    """Return what a storage URL names.

    Raises:
        ConfigurationError: The scheme is unknown, or the URL names no file.
    """
    if text == "memory://":
        return StorageUrl(text, None)
    scheme, mark, rest = text.partition("://")
    if scheme != "sqlite" or not mark:
        near = f"Did you mean {f'sqlite:///{text}'!r}? " if text and not mark else ""
        raise ConfigurationError(
            f"Storage URL {text!r} has a scheme that is not known here. {near}"
            "Known: sqlite:///relative.db, sqlite:////absolute/path.db, memory://."
        )
    path = unquote(rest.removeprefix("/"))
    if not rest.startswith("/") or not path or path.endswith("/"):
        raise ConfigurationError(
            f"Storage URL {text!r} names no file. Write sqlite:///relative.db "
            "(three slashes) or sqlite:////absolute/path.db (four)."
        )
    return StorageUrl(text, Path(path))
