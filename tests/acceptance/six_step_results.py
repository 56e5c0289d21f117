"""What a run of six steps came to, and whether it is what an uninterrupted one comes to."""

import json
from collections import Counter
from pathlib import Path
from typing import Any


def read(directory: Path, name: str = "result") -> dict[str, Any]:
    """Return what a process wrote down of the run."""
    said: dict[str, Any] = json.loads((directory / name).read_text())
    return said


def count_starts(directory: Path) -> Counter[str]:
    """Return how often each attempt's worker has started."""
    file = directory / "starts"
    return Counter(file.read_text().splitlines() if file.exists() else ())


def require_same(directory: Path, whole: Path, *, kills: int) -> None:
    """I6: the state of an uninterrupted run, and no worker started more often than it may be."""
    got, wanted = read(directory), read(whole)
    assert got["run"] == wanted["run"]
    assert got["journal"] == wanted["journal"]
    assert got["ids"] == len(got["journal"])
    starts, once = count_starts(directory), count_starts(whole)
    assert starts.keys() == once.keys()
    extra = starts - once
    assert all(count <= kills for count in extra.values()), extra
