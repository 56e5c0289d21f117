"""Model turns for scripted agents that call tools."""

from itertools import count
from typing import Any

from langchain_core.messages import AIMessage


def call(*calls: tuple[str, dict[str, Any]], ids: Any = None) -> AIMessage:
    """Return a model turn that makes these tool calls at once, each under an id of its own."""
    numbers = count(1) if ids is None else ids
    return AIMessage(
        "",
        tool_calls=[
            {"name": name, "args": args, "id": f"call-{next(numbers)}"} for name, args in calls
        ],
    )
