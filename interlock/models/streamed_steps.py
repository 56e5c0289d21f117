"""The steps of a plan that is still being written, each once it is complete.

What was read is not read again, but for a text whose end has not come.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk
from pydantic import BaseModel, ValidationError

from interlock.contracts.errors import PlanError
from interlock.contracts.plan import Step
from interlock.models.answer_parsing import validate_answer
from interlock.models.lenient_json import parse_object, strip_thoughts
from interlock.models.plan_conversion import convert_step
from interlock.models.planning_schema import PlannedGraph

_STEPS: Final = re.compile(r'"steps"\s*:\s*\[')
_MARK: Final = re.compile(r'"(?:\\.|[^"\\])*("|\\?\Z)|[{}\[\]]', re.DOTALL)
"""A text (its group is empty if its end has not come yet), or a bracket."""


class StreamedSteps:
    """Reads a growing message; gives each step once, in order, up to the first that does not fit."""

    def __init__(self, schema: type[PlannedGraph]) -> None:
        """Expect a plan of this class."""
        self._schema: type[BaseModel] = schema
        self._place = -1
        self._start = -1
        self._depth = 0
        self._is_over = False

    def read(self, message: AIMessage) -> Iterator[Step]:
        """Yield the steps that have become complete since the last call."""
        text = _get_text(message)
        if self._place < 0:
            found = _STEPS.search(text)
            if found is None:
                return
            self._place = found.end()
        while not self._is_over and (mark := _MARK.search(text, self._place)) is not None:
            if mark.group(1) is not None and not mark.group(1).endswith('"'):
                return
            self._place = mark.end()
            if (part := self._take(mark, text)) is not None and (step := self._fit(part)):
                yield step

    def _take(self, mark: re.Match[str], text: str) -> str | None:
        """Return the text of a step that ends at a mark, if one does."""
        sign = mark.group()
        if sign in "{[":
            if self._depth == 0:
                self._start = mark.start()
            self._depth += 1
        elif sign in "}]":
            self._depth -= 1
            self._is_over = self._depth < 0
            if self._depth == 0:
                return text[self._start : mark.end()]
        return None

    def _fit(self, text: str) -> Step | None:
        try:
            whole: Any = validate_answer({"steps": [parse_object(text)]}, self._schema)
            return convert_step(whole.steps[0])
        except (PlanError, ValidationError, ValueError):
            self._is_over = True  # the whole is refused at its end, with all problems
            return None


def _get_text(message: AIMessage) -> str:
    """Return what is written so far, in a tool call's arguments or in the text."""
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return message.tool_call_chunks[0]["args"] or ""
    return strip_thoughts(message.text)
