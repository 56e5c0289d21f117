"""JSON out of a model's text: lenient about what stands around it, strict about what it says.

Tolerated, because nothing can be misread: a fence, prose before and after, a reasoning model's
thoughts, trailing commas, line breaks inside strings. Refused: an object that is cut off (never
completed), a name that stands twice, NaN, single quotes, comments.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

_FENCE: Final = re.compile(
    r"^[ \t]*```[ \t]*\w*[ \t]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL
)
_OUTSIDE_STRINGS: Final = re.compile(r'("(?:\\.|[^"\\])*")|,(\s*[}\]])', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundJson:
    """What a text holds.

    Attributes:
        objects: Every whole object at the top level, in order, equal ones once.
        problems: What was wrong with the others, in words.
    """

    objects: Sequence[dict[str, Any]]
    problems: Sequence[str]


def find_json(text: str) -> FoundJson:
    """Return the JSON objects of a text; those inside fences only, if there are fences."""
    text = strip_thoughts(text).strip()
    fenced = [match.group(1) for match in _FENCE.finditer(text) if "{" in match.group(1)]
    parts = [part for source in (fenced or [text]) for part in _split(source)]
    objects: list[dict[str, Any]] = []
    problems: list[str] = []
    for part in parts:
        try:
            value = parse_object(part)
        except ValueError as exc:
            problems.append(str(exc))
        else:
            if value not in objects:
                objects.append(value)
    return FoundJson(objects=objects, problems=problems)


def strip_thoughts(text: str) -> str:
    """Return a text without a reasoning model's thoughts; nothing while they have not ended.

    Where JSON or a fence has begun, no thought ends any more: what looks like it is inside a text.
    """
    text = text.lstrip()
    while not text.startswith(("{", "```")):
        _, end, answer = text.partition("</think>")
        if not end:
            return "" if text.startswith("<think>") else text
        text = answer.lstrip()
    return text


def parse_object(text: str) -> dict[str, Any]:
    """Return one JSON object; trailing commas are let pass.

    Raises:
        ValueError: It is none; says what is wrong and where.
    """
    try:
        value = _load(text)
    except json.JSONDecodeError as exc:
        mended = _OUTSIDE_STRINGS.sub(lambda match: match.group(1) or match.group(2), text)
        if mended == text:
            raise ValueError(_word(exc, text)) from exc
        try:
            value = _load(mended)
        except json.JSONDecodeError as second:
            raise ValueError(_word(second, mended)) from second
    except RecursionError as exc:
        raise ValueError("The JSON is nested too deeply.") from exc
    if not isinstance(value, dict):
        raise ValueError(f"A JSON object is wanted, not {type(value).__name__}.")  # noqa: TRY004
    return value


def _load(text: str) -> object:
    return json.loads(
        text, strict=False, object_pairs_hook=_refuse_twice, parse_constant=_refuse_constant
    )


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"The name {twice!r} stands twice in one JSON object. Write it once.")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number.")


def _word(error: json.JSONDecodeError, text: str) -> str:
    seen = text[max(error.pos - 20, 0) : error.pos + 20]
    return f"The answer is not valid JSON near {seen!r}: {error.msg}."


def _split(text: str) -> Iterator[str]:
    """Go through the top-level objects of a text; the last one may lack its end."""
    place = text.find("{")
    while place >= 0:
        end = _find_end(text, place)
        yield text[place:end]
        place = text.find("{", end)


def _find_end(text: str, start: int) -> int:
    """Return where the object that begins at `start` ends; the text's end if it is cut off."""
    depth = 0
    for match in re.compile(r'"(?:\\.|[^"\\])*(?:"|\Z)|[{}]', re.DOTALL).finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return match.end()
    return len(text)
