from pathlib import Path

import pytest

from interlock.checkpoints.storage_url import hide_password, parse_storage_url


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
        ("sqlite:///desk.db", "sqlite:///desk.db"),
        ("what is this", "what is this"),
    ],
)
def test_a_password_is_never_shown(text: str, shown: str) -> None:
    """A URL that goes into a message or a command line has no password in it."""
    assert hide_password(text) == shown
