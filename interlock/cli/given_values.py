"""Values that are typed on the command line: JSON, or `@file`, and answers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.question import Answer, Decision, approve, edit, reject, respond


def parse_json_argument(text: str, *, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of JSON text, or of the JSON file that `@path` names.

    Args:
        text: As typed.
        name: What it is given for, for errors.

    Raises:
        ConfigurationError: It is not JSON, or the file cannot be read.
    """
    is_file = text.startswith("@")
    source = f"file {text[1:]!r}" if is_file else repr(text if len(text) < 80 else text[:80])  # noqa: PLR2004
    if is_file:
        text = read_file(text[1:])
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(
            f"{name} is not JSON: {source}: {exc}. Write JSON, such as "
            "'{\"ticket\": 17}' or '\"some text\"', or @file to read it from a file."
        ) from exc


def read_file(path: str) -> str:
    """Return a file's text.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return Path(path).read_text("utf-8")
    except OSError as exc:
        raise ConfigurationError(
            f"The file {path!r} cannot be read: {exc.strerror}. Check its name."
        ) from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"The file {path!r} is not UTF-8 text. Save it as such.") from exc


def parse_context(text: str | None) -> Mapping[str, Any] | None:
    """Return the shared context that was given, an object.

    Raises:
        ConfigurationError: It is something else.
    """
    if text is None:
        return None
    value = parse_json_argument(text, name="--context")
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"--context is {value!r}. Give an object, such as '{{\"ticket\": 17}}'."
        )
    return value


def parse_answer(decision: str, value: str | None) -> Answer:
    """Return the answer that a decision and a value mean.

    Raises:
        ConfigurationError: They do not fit together.
    """
    match decision:
        case "approve" if value is None:
            return approve()
        case "approve":
            raise ConfigurationError(
                f"approve takes no value; seen: {value!r}. To change what is shown, use edit."
            )
        case "edit" if value is not None:
            return edit(parse_json_argument(value, name="The value of edit"))
        case "reject" if value:
            return reject(value)
        case "respond" if value:
            return respond(value)
        case "edit" | "reject" | "respond":
            needed = "the new value as JSON or @file" if decision == "edit" else "a text"
            raise ConfigurationError(f"{decision} needs {needed} after it.")
        case _:
            known = ", ".join(get_args(Decision))
            raise ConfigurationError(f"{decision!r} is no decision. Use one of: {known}.")


def load_answers(path: str) -> Mapping[str, Answer]:
    """Return the answers of a JSON file: question id to `{"type": ..., "value" | "message": ...}`.

    Raises:
        ConfigurationError: It holds something else.
    """
    raw = parse_json_argument(f"@{path}", name="--file")
    if not isinstance(raw, dict) or not raw:
        raise ConfigurationError(
            f"The file {path!r} holds no answers. Write an object: "
            '{"q-1a2b": {"type": "approve"}, "q-3c4d": {"type": "reject", "message": "why"}}.'
        )
    answers: dict[str, Answer] = {}
    for question_id, item in raw.items():
        try:
            answers[question_id] = Answer.model_validate(item)
        except ValidationError as exc:
            words = "; ".join(
                f"{'.'.join(str(part) for part in error['loc']) or 'answer'}: {error['msg']}"
                for error in exc.errors()
            )
            raise ConfigurationError(
                f"The answer to {question_id!r} in {path!r} cannot be read: {words}. Write "
                '{"type": "approve" | "edit" | "reject" | "respond", "value" or "message": ...}.'
            ) from exc
    return answers


def parse_spaces(pairs: Sequence[str]) -> Mapping[str, str] | None:
    """Return the named spaces that were given as `role=id`.

    Raises:
        ConfigurationError: One is written otherwise.
    """
    spaces: dict[str, str] = {}
    for pair in pairs:
        role, sign, identifier = pair.partition("=")
        if not (role and sign and identifier):
            raise ConfigurationError(
                f"--space is {pair!r}. Write the name that the facts declare, and which one: "
                "--space customer=c-42"
            )
        spaces[role] = identifier
    return spaces or None
