from pathlib import Path

import pytest

from interlock.checkpoints.storage_url import hide_password, parse_storage_url
from interlock.contracts.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///a.db", Path("a.db")),
        ("sqlite:////var/a.db", Path("/var/a.db")),
        ("sqlite:///some%20folder/a.db", Path("some folder/a.db")),
        ("sqlite:///./a.db", Path("a.db")),
        ("memory://", None),
    ],
)
def test_url_names_a_path(text: str, path: Path | None) -> None:
    """Three slashes are relative, four absolute, memory has no path; the text is kept."""
    parsed = parse_storage_url(text)
    assert (parsed.text, parsed.path) == (text, path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hush@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me:a%40b@host/db?x=1", "postgresql://me:***@host/db?x=1"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://me:hu/sh@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hu#sh?@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:hu@sh@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg://me:hush@host/db", "postgresql+psycopg://me:***@host/db"),
        ("me:hush@host/db", "me:***@host/db"),
        ("postgresql://host/db?password=hush&x=1", "postgresql://host/db?password=***&x=1"),
        ("host=there password='hu sh' user=me", "host=there password=*** user=me"),
        ("sqlite:////a:b@c/d.db", "sqlite:////a:b@c/d.db"),
        ("sqlite:///desk.db", "sqlite:///desk.db"),
        ("what is this", "what is this"),
    ],
)
def test_a_password_is_never_shown(text: str, shown: str) -> None:
    """A URL that goes into a message or a command line has no password in it."""
    assert hide_password(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:hush/-hush@host/db",
        "postgresql://me:12/hush@host/db",
        "postgresql://me:hush@hush@host/db",
        "postgresql://me:hush%hush@host/db",
        "postgresql://me:hush%00@host/db",
        "postgresql://host/db?password=%hush",
        "postgresql://me@host/db?hush",
        "postgresql://me:hush@host/db?interlock_schema=1",
        "postgresql://host/db?password=hush&interlock_pool_size=0",
        "postgresql+psycopg://me:hush@host/db",
        "mysql://me:hush@host/db",
        "me:hush@host/db",
        "host=there password=hush",
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_its_password(text: str) -> None:
    """A URL that cannot be read is refused by a message that holds no part of the password."""
    with pytest.raises(ConfigurationError) as caught:
        parse_storage_url(text)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_url_that_was_read_shows_no_password() -> None:
    """What a traceback or a log prints of a parsed URL has no password in it."""
    assert "hush" not in repr(parse_storage_url("postgresql://me:hush@host/db"))


@pytest.mark.parametrize(
    ("text", "conninfo"),
    [
        ("postgresql:///db", "postgresql:///db"),
        ("postgresql://?service=desk&interlock_schema=a", "postgresql://?service=desk"),
        (
            "postgresql://me@/db?host=/var/run&interlock_pool_size=2",
            "postgresql://me@/db?host=/var/run",
        ),
        (
            "postgresql://h/db?options=-c%20work_mem%3D8MB&password=a+b",
            "postgresql://h/db?options=-c%20work_mem%3D8MB&password=a+b",
        ),
        ("postgresql://[::1]:5432,other:5433,third/db", None),
        ("postgres://me:a#b?c@host/db", None),
    ],
)
def test_the_client_library_is_given_what_was_written(text: str, conninfo: str | None) -> None:
    """All but our own options reaches PostgreSQL's client library letter by letter."""
    assert parse_storage_url(text).conninfo == (conninfo or text)
