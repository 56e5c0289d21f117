"""Task graphs with durations, as recorded from real workflow runs.

The file form is `{name, source, licence, stats, tasks: [{id, kind, deps, seconds[, expected]}]}`;
ids are integers in topological order.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.contracts.errors import ConfigurationError


class TracedTask(BaseModel):
    """One recorded task.

    Attributes:
        id: Position in a topological order.
        kind: The program that ran; becomes the worker's role.
        deps: Ids of the tasks it waited for.
        seconds: How long it ran.
        expected: What a scheduler was told beforehand, if that is known.
    """

    model_config = ConfigDict(frozen=True)

    id: int
    kind: str
    deps: tuple[int, ...]
    seconds: Annotated[float, Field(ge=0)]
    expected: float | None = None


class WorkflowTrace(BaseModel):
    """A recorded task graph."""

    model_config = ConfigDict(frozen=True)

    name: str
    source: str = ""
    stats: Mapping[str, Any] = {}
    tasks: tuple[TracedTask, ...]

    @property
    def critical_path_seconds(self) -> float:
        """The longest path: no schedule is shorter."""
        ends: dict[int, float] = {}
        for task in self.tasks:
            begin = max((ends[dep] for dep in task.deps), default=0.0)
            ends[task.id] = begin + task.seconds
        return max(ends.values(), default=0.0)


def load_trace(path: Path) -> WorkflowTrace:
    """Return a recorded task graph.

    Raises:
        ConfigurationError: The file is not one; the message says why.
    """
    try:
        return WorkflowTrace.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as exc:
        raise ConfigurationError(
            f"{path} is not a recorded task graph: {exc}. Give a JSON file with name and tasks of "
            "id, kind, deps and seconds."
        ) from exc


def find_traces(paths: list[Path]) -> list[Path]:
    """Return the files named, and those in the folders named, smallest first.

    Raises:
        ConfigurationError: There is none.
    """
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not found:
        raise ConfigurationError(f"No task graph in {[str(path) for path in paths]}.")
    return sorted(found, key=lambda path: path.stat().st_size if path.exists() else 0)
