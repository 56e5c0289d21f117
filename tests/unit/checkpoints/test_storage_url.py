from pathlib import Path

import pytest

from interlock.checkpoints.storage_url import parse_storage_url


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
