"""The repository as files: what the packaging tests look at."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "interlock"
SETTINGS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

_NOT_OURS = {"__pycache__", ".venv", ".ci-venv", "build", "dist", ".langgraph_api"}


def list_files(*folders: str, ending: str = "") -> Iterator[Path]:
    """Yield the files below folders of the repository, caches and builds left out."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob(f"*{ending}")):
            if path.is_file() and not _NOT_OURS & set(path.relative_to(ROOT).parts):
                yield path


def list_pages() -> list[Path]:
    """Return every Markdown page of ours."""
    top = [path for path in sorted(ROOT.glob("*.md")) if path.is_file()]
    return [*top, *list_files("docs", "examples", "benchmarks", "workloads", ending=".md")]


def name_page(path: Path) -> str:
    """Return a page's name, for a test's id."""
    return str(path.relative_to(ROOT))
