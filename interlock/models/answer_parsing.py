"""From a model's message to a value of a class, or to everything that is wrong, in words."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from langchain_core.messages import AIMessage
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from interlock.contracts.model_errors import AnswerFault, ModelAnswerError
from interlock.contracts.safe_words import clean_words, word_value
from interlock.models.lenient_json import find_json
from interlock.models.model_answers import check_answer, quote_answer

Answer = TypeVar("Answer", bound=BaseModel)

_MOST_PROBLEMS: Final = 25


def parse_answer(message: AIMessage, schema: type[Answer], *, model: str) -> Answer:
    """Return what a message says, as a value of the class.

    A tool call's arguments go before the text. Values are taken strictly: no text for a number.

    Raises:
        ModelAnswerError: It cannot be believed or used; lists all problems.
    """
    check_answer(message, model=model)
    if message.invalid_tool_calls:
        raise _refuse(message, "bad_tool_call", _word_bad_calls(message), model=model)
    if message.tool_calls:
        found: Sequence[dict[str, Any]] = [call["args"] for call in message.tool_calls]
        problems: Sequence[str] = ()
    else:
        if not message.text.strip():
            raise _refuse(message, "empty", ["Answer with one JSON object."], model=model)
        seen = find_json(message.text)
        found, problems = seen.objects, seen.problems
    if not found:
        problems = problems or ["The answer holds no JSON object. Answer with one."]
        raise _refuse(message, "unparsable", problems, model=model)
    return _choose(found, schema, message=message, model=model)


def validate_answer(value: Mapping[str, Any], schema: type[Answer]) -> Answer:
    """Return a value of the class; raises pydantic's error where it does not fit, strictly."""
    return schema.model_validate_json(json.dumps(value), strict=True)


def _choose(
    found: Sequence[Mapping[str, Any]], schema: type[Answer], *, message: AIMessage, model: str
) -> Answer:
    """Return the one object that fits; of several, none is preferred."""
    fitting: list[Answer] = []
    problems: list[str] = []
    for value in found:
        try:
            answer = validate_answer(value, schema)
        except ValidationError as exc:
            problems = word_problems(exc)
        except ValueError:
            problems = ["A text holds characters that UTF-8 cannot. Leave them out."]
        else:
            if answer not in fitting:
                fitting.append(answer)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        problems = [f"{len(fitting)} different answers were given. Give one JSON object."]
    raise _refuse(message, "invalid", problems, model=model)


def word_problems(error: ValidationError) -> list[str]:
    """Return pydantic's errors as sentences that name the place, what is wanted and what is seen."""
    details = error.errors(include_url=False, include_context=False)
    words = [_word_problem(detail) for detail in details[:_MOST_PROBLEMS]]
    if (rest := len(details) - len(words)) > 0:
        words.append(f"There are {rest} more problems.")
    return words


def _word_problem(detail: ErrorDetails) -> str:
    place = ""
    for part in detail["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    where = place.lstrip(".") or "the answer"
    if detail["type"] == "missing":
        return f"{where} is missing."
    if detail["type"] == "extra_forbidden":
        return f"{where}: there is no such field. Leave it out."
    said = detail["msg"].removeprefix("Value error, ").rstrip(".")
    return clean_words(f"{where}: {said}. Seen: {word_value(detail['input'], 80)}.", 500)


def _word_bad_calls(message: AIMessage) -> list[str]:
    problems: list[str] = []
    for call in message.invalid_tool_calls:
        seen = find_json(call.get("args") or "")
        words = " ".join(seen.problems) or "They are no JSON object."
        problems.append(f"The arguments of {call.get('name')!r} cannot be read. {words}")
    return problems


def _refuse(
    message: AIMessage, fault: AnswerFault, problems: Sequence[str], *, model: str
) -> ModelAnswerError:
    return ModelAnswerError(
        fault=fault, model=model, problems=problems, answer=quote_answer(message)
    )
