"""Task graphs with durations, as recorded from real workflow runs.

The file form is `{name, source, licence, stats, tasks: [{id, kind, deps, seconds[, expected]}]}`;
ids are integers in topological order.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from interlock.contracts.errors import ConfigurationError

_MOST_ERRORS: Final = 5
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


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
    seconds: Seconds
    expected: Seconds | None = None


class WorkflowTrace(BaseModel):
    """A recorded task graph."""

    model_config = ConfigDict(frozen=True)

    name: str
    source: str = ""
    stats: Mapping[str, Any] = {}
    tasks: tuple[TracedTask, ...]

    @model_validator(mode="after")
    def _require_order(self) -> Self:
        problems = list(_find_order_problems(self.tasks))
        if not self.tasks:
            problems = ["there are no tasks"]
        elif not problems and not self.critical_path_seconds > 0:
            problems = ["no task takes any time, so there is no critical path to compare with"]
        if problems:
            raise ValueError("; ".join(problems[:_MOST_ERRORS]))
        return self

    @property
    def critical_path_seconds(self) -> float:
        """The longest path: no schedule is shorter."""
        ends: dict[int, float] = {}
        for task in self.tasks:
            begin = max((ends[dep] for dep in task.deps), default=0.0)
            ends[task.id] = begin + task.seconds
        return max(ends.values(), default=0.0)


def _find_order_problems(tasks: Sequence[TracedTask]) -> Iterator[str]:
    known: set[int] = set()
    for task in tasks:
        if task.id in known:
            yield f"task {task.id} is there twice"
        for dep in task.deps:
            if dep not in known:
                yield f"task {task.id} waits for task {dep}, which does not stand before it"
        known.add(task.id)


def load_traces(paths: Sequence[Path]) -> Sequence[WorkflowTrace]:
    """Return the recorded task graphs of files and folders, smallest first.

    Raises:
        ConfigurationError: A file is not one, or there is none; the message says why.
    """
    found: list[Path] = []
    for path in paths:
        found += path.glob("*.json") if path.is_dir() else [path]
    if not found:
        named = ", ".join(repr(str(path)) for path in paths)
        raise ConfigurationError(
            f"There is no recorded task graph (*.json) in {named}. Name a file, or a folder of "
            "them."
        )
    traces = [_load_trace(path) for path in found]
    return sorted(traces, key=lambda trace: (len(trace.tasks), trace.name))


def _load_trace(path: Path) -> WorkflowTrace:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return WorkflowTrace.model_validate(value if isinstance(value, dict) else {})
    except (OSError, ValueError, RecursionError) as exc:
        raise ConfigurationError(
            f"{str(path)!r} is not a recorded task graph: {_word_error(exc)}. Name a JSON file "
            "that holds a name and tasks, each with id, kind, deps and seconds; every task "
            "after those that it waits for."
        ) from exc


def _word_error(error: Exception) -> str:
    match error:
        case ValidationError():
            errors = error.errors(include_url=False)
            words = [_word_place(item["loc"], item["msg"]) for item in errors[:_MOST_ERRORS]]
            left = len(errors) - len(words)
            return "; ".join([*words, *([f"and {left} more"] if left else [])])
        case OSError():
            return error.strerror or type(error).__name__
        case json.JSONDecodeError():
            return f"no JSON at line {error.lineno}: {error.msg}"
        case _:
            return str(error)


def _word_place(place: Sequence[str | int], words: str) -> str:
    words = words.removeprefix("Value error, ")
    return f"{'.'.join(map(str, place))}: {words}" if place else words
