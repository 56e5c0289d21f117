"""Task graphs from JSON and YAML files, with errors that name file and line.

Called by users, and by the command line.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.form_words import word_form_error
from interlock.contracts.plan import TaskGraph

_MOST_SHOWN = 120


def load_task_graph(path: str | Path) -> TaskGraph:
    """Return the task graph that a JSON or YAML file holds.

    A name that ends in `.json` is read as JSON, any other as YAML. Whether a team can run it is
    another question: that is asked when a run starts.

    Raises:
        PlanError: The file cannot be read, or holds no task graph; lists every problem, each
            with its line where one can be told.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as exc:
        if path.suffix.lower() != ".json":
            raise _build_error(path, _get_line(exc), _word_yaml_error(exc)) from exc
        root = None  # JSON that is not YAML, such as one indented by tabs: no lines then
    value = _parse(path, text)
    repeated = list(_find_repeated_keys(root)) if root is not None else []
    if repeated:
        raise PlanError(
            [
                _build_problem(path, line, f"the key {key!r} is there twice. Write it once.")
                for key, line in repeated
            ]
        )
    try:
        return TaskGraph.model_validate(value)
    except ValidationError as exc:
        raise PlanError(list(_word_problems(path, root, exc))) from exc


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise PlanError(
            [PlanProblem("no_file", f"The file {str(path)!r} cannot be read: {reason}.")]
        ) from exc
    except UnicodeDecodeError as exc:
        words = f"it is not UTF-8 text (byte {exc.start}). Save it as UTF-8."
        raise _build_error(path, None, words) from exc


def _parse(path: Path, text: str) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        if path.suffix.lower() == ".json":
            return json.loads(text)
        return yaml.safe_load(text)
    except json.JSONDecodeError as exc:
        words = f"it is not JSON: {exc.msg} (column {exc.colno}). Correct it there."
        raise _build_error(path, exc.lineno, words) from exc
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        raise _build_error(path, _get_line(exc), _word_yaml_error(exc)) from exc


def _get_line(exc: Exception) -> int | None:
    mark = getattr(exc, "problem_mark", None)
    return mark.line + 1 if mark is not None else None


def _word_yaml_error(exc: Exception) -> str:
    seen = getattr(exc, "problem", None) or str(exc) or type(exc).__name__
    return f"it is not YAML: {seen}. Correct it there."


def _find_repeated_keys(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Yield every key that a mapping has twice, with its line: the parsers keep the last."""
    todo = [node]
    known: set[int] = set()
    while todo:
        here = todo.pop()
        if id(here) in known:
            continue  # an alias
        known.add(id(here))
        if isinstance(here, yaml.SequenceNode):
            todo.extend(here.value)
        elif isinstance(here, yaml.MappingNode):
            seen: set[str] = set()
            for key, item in here.value:
                if key.value in seen and isinstance(key, yaml.ScalarNode):
                    yield key.value, key.start_mark.line + 1
                seen.add(str(key.value))
                todo.append(item)


def _word_problems(
    path: Path, root: yaml.Node | None, exc: ValidationError
) -> Iterator[PlanProblem]:
    for error in exc.errors(include_url=False):
        place = error["loc"]
        where = ".".join(str(part) for part in place) or "the whole file"
        seen = repr(error["input"])
        shown = seen if len(seen) <= _MOST_SHOWN else f"{seen[:_MOST_SHOWN]}..."
        words = f"{where}: {word_form_error(error)} Seen: {shown}."
        yield _build_problem(path, _find_line(root, place), words)


def _find_line(root: yaml.Node | None, place: Sequence[str | int]) -> int | None:
    """Return the line of the deepest node on a path that the file has."""
    here = root
    for part in place:
        following = _find_child(here, part)
        if following is not None:
            here = following
    return here.start_mark.line + 1 if here is not None else None


def _find_child(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        children: Mapping[object, yaml.Node] = {key.value: item for key, item in node.value}
        return children.get(part)
    return None


def _build_problem(path: Path, line: int | None, words: str) -> PlanProblem:
    where = f"{path}:{line}" if line is not None else str(path)
    return PlanProblem("bad_file", f"{where}: {words}")


def _build_error(path: Path, line: int | None, words: str) -> PlanError:
    return PlanError([_build_problem(path, line, words)])
