"""What is wrong with the form of a task graph, in words that say what to write.

Read from pydantic's errors, whose own words are about Python types. Used where task graphs come
in from outside: files and planners.
"""

from collections.abc import Mapping
from typing import Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from interlock.contracts.criteria import Criterion
from interlock.contracts.fallback import Fallback
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.policy import Budget, Retry

_WORDS: Final[Mapping[str, str]] = {
    "missing": "This field is missing.",
    "string_type": "A text is wanted here.",
    "tuple_type": "A list is wanted here.",
    "dict_type": "Values by name are wanted here.",
    "model_type": "Fields by name are wanted here.",
    "model_attributes_type": "Fields by name are wanted here.",
    "union_tag_not_found": "The field 'kind' is missing.",
    "time_delta_type": "A duration is wanted here: seconds, or ISO 8601 such as PT30S.",
    "time_delta_parsing": "A duration is wanted here: seconds, or ISO 8601 such as PT30S.",
}
_HOLDERS: Final[Mapping[str, type[BaseModel]]] = {
    "steps": Step,
    "needs": Need,
    "retry": Retry,
    "budget": Budget,
    **{
        model.model_fields["kind"].default: model
        for kinds in (Criterion, Fallback)
        for model in get_args(get_args(kinds)[0])
    },
}
"""The last word on the way to a field, list positions aside, and what it names."""


def word_form_error(error: ErrorDetails) -> str:
    """Return one of pydantic's errors on a task graph in a sentence or two, without its place."""
    if error["type"] == "extra_forbidden":
        *way, name = (part for part in error["loc"] if isinstance(part, str))
        holder = _HOLDERS[way[-1]] if way else TaskGraph
        return f"There is no such field. {suggest_names(name, holder.model_fields)}"
    return _WORDS.get(error["type"]) or f"{error['msg']}."
