"""What a call of a model or tool was sent, as a word: equal calls have equal words.

Used by the fault injector, so that calls made at the same time meet the same faults in whatever
order they arrive. Ids that are made up anew each time do not count.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool

from interlock.contracts.errors import PlainValueError
from interlock.contracts.plain import parse_plain

_LENGTH: Final = 16
_ABOUT_THE_CALL: Final = frozenset({"run_manager", "config", "callbacks", "stop"})


def name_sent(args: Sequence[Any], kwargs: Mapping[str, Any], *, is_model: bool) -> str:
    """Return the word of what a method or function is called with; `self` does not count.

    Args:
        args: By position.
        kwargs: By name; of a model's call only messages count.
        is_model: Whether it is a model's call.
    """
    given = [_show(one) for one in args if not isinstance(one, (BaseTool, BaseChatModel))]
    named = {
        name: _show(one)
        for name, one in kwargs.items()
        if name not in _ABOUT_THE_CALL and (name == "messages" or not is_model)
    }
    text = json.dumps([given, named], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def _show(value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    if isinstance(value, BaseMessage):
        calls = value.tool_calls if isinstance(value, AIMessage) else []
        return [value.type, value.content, [[call["name"], call["args"]] for call in calls]]
    if isinstance(value, (list, tuple)):
        return [_show(one) for one in value]
    try:
        return parse_plain(value)
    except PlainValueError:
        return type(value).__qualname__  # its look may hold an address
