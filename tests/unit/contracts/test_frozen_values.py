"""Deep-frozen values: a brief that nobody can change, and copies that anybody can."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from interlock.contracts.brief import Brief, Scratchpad
from interlock.contracts.ids import StepId
from interlock.contracts.plain import FrozenDict, FrozenList, freeze, parse_plain, thaw
from tests.unit.contracts.plain_values import list_containers, plain_values

VALUE = {"items": [{"name": "a"}, 2], "more": {"x": 1}}

DICT_CHANGES: dict[str, Callable[[Any], Any]] = {
    "__setitem__": lambda d: d.__setitem__("x", 2),
    "__delitem__": lambda d: d.__delitem__("x"),
    "__ior__": lambda d: d.__ior__({"y": 2}),
    "clear": lambda d: d.clear(),
    "pop": lambda d: d.pop("x"),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault("y", 2),
    "update": lambda d: d.update(y=2),
}
LIST_CHANGES: dict[str, Callable[[Any], Any]] = {
    "__setitem__": lambda v: v.__setitem__(0, 9),
    "__delitem__": lambda v: v.__delitem__(slice(None)),
    "__iadd__": lambda v: v.__iadd__([3]),
    "__imul__": lambda v: v.__imul__(2),
    "append": lambda v: v.append(3),
    "clear": lambda v: v.clear(),
    "extend": lambda v: v.extend([3]),
    "insert": lambda v: v.insert(0, 3),
    "pop": lambda v: v.pop(),
    "remove": lambda v: v.remove(2),
    "reverse": lambda v: v.reverse(),
    "sort": lambda v: v.sort(),
}
READ_ONLY = {
    *("__contains__", "__eq__", "__ge__", "__getitem__", "__gt__", "__iter__", "__le__"),
    *("__len__", "__lt__", "__ne__", "__or__", "__ror__", "__repr__", "__reversed__"),
    *("__add__", "__mul__", "__rmul__", "__sizeof__", "__class_getitem__"),
    *("copy", "count", "fromkeys", "get", "index", "items", "keys", "values"),
    *("__new__", "__init__", "__getattribute__", "__hash__", "__doc__", "__delattr__"),
    *("__setattr__", "__reduce__", "__reduce_ex__", "__dir__", "__format__", "__str__"),
    *("__class__", "__getstate__", "__init_subclass__", "__subclasshook__"),
}


def build_brief(value: Any) -> Brief:
    """Return a brief whose inputs are this object."""
    return Brief(
        step_id=StepId("s"),
        attempt=1,
        instruction="Do s",
        inputs=freeze(value),
        context=freeze({}),
        scratchpad=Scratchpad(("first",)),
    )


@pytest.mark.parametrize("name", DICT_CHANGES)
def test_no_method_changes_a_frozen_dict(name: str) -> None:
    """Each way to change a dict raises, says what to do, and has changed nothing."""
    frozen = freeze({"x": 1})
    with pytest.raises(TypeError, match="work on a copy"):
        DICT_CHANGES[name](frozen)
    assert frozen == {"x": 1}


@pytest.mark.parametrize("name", LIST_CHANGES)
def test_no_method_changes_a_frozen_list(name: str) -> None:
    """Each way to change a list raises, says what to do, and has changed nothing."""
    frozen = freeze([1, 2])
    with pytest.raises(TypeError, match="work on a copy"):
        LIST_CHANGES[name](frozen)
    assert frozen == [1, 2]


@pytest.mark.parametrize(("kind", "changes"), [(dict, DICT_CHANGES), (list, LIST_CHANGES)])
def test_every_method_of_python_is_accounted_for(kind: type, changes: dict[str, Any]) -> None:
    """A method that a later Python adds is looked at before it is let through."""
    assert set(dir(kind)) - READ_ONLY == set(changes)


@given(plain_values)
def test_freezing_goes_to_every_level_and_thawing_back(value: Any) -> None:
    """A frozen value is equal to what it holds, prints like it, and thaws into it."""
    frozen = freeze(value)
    assert frozen == value
    assert repr(frozen) == repr(value)
    assert all(isinstance(part, FrozenDict | FrozenList) for part in list_containers(frozen))
    thawed = thaw(frozen)
    assert thawed == value
    assert all(type(part) in {dict, list} for part in list_containers(thawed))


@pytest.mark.parametrize(
    "make_copy",
    [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value)), thaw],
    ids=["deepcopy", "pickle", "thaw"],
)
def test_a_copy_can_be_changed_at_every_level(make_copy: Callable[[Any], Any]) -> None:
    """The way out that the error names works, and leaves the original alone."""
    frozen = freeze(VALUE)
    copied = make_copy(frozen)
    copied["items"][0]["name"] = "b"
    copied["items"].append(3)
    copied["more"] |= {"y": 2}
    assert frozen == VALUE
    assert copied == {"items": [{"name": "b"}, 2, 3], "more": {"x": 1, "y": 2}}


@pytest.mark.parametrize(
    "make_copy", [copy.copy, dict, lambda d: d.copy(), lambda d: {**d}, lambda d: d | {}]
)
def test_a_shallow_copy_is_an_ordinary_dict(make_copy: Callable[[Any], Any]) -> None:
    """The usual ways to copy a dict give one that takes new keys."""
    copied = make_copy(freeze(VALUE))
    copied["new"] = 1
    assert type(copied) is dict
    assert copied == {**VALUE, "new": 1}


@pytest.mark.parametrize(
    "make_copy", [copy.copy, list, lambda v: v.copy(), lambda v: [*v], lambda v: v[:]]
)
def test_a_shallow_copy_is_an_ordinary_list(make_copy: Callable[[Any], Any]) -> None:
    """The usual ways to copy a list give one that takes new entries."""
    copied = make_copy(freeze([2, 1]))
    copied.sort()
    assert type(copied) is list
    assert copied == [1, 2]


def test_frozen_values_are_what_libraries_expect() -> None:
    """They are real dicts and lists: json, unpacking and parsing take them as they are."""
    frozen = freeze(VALUE)
    assert json.loads(json.dumps(frozen)) == VALUE
    assert dict(**frozen) == VALUE
    assert parse_plain(frozen) == VALUE
    assert isinstance(frozen, dict)
    assert isinstance(frozen["items"], list)


def test_a_brief_cannot_be_changed_but_for_its_scratchpad() -> None:
    """Neither a field nor anything within one gives way; notes are added at the end."""
    brief = build_brief(VALUE)
    with pytest.raises(AttributeError):
        brief.instruction = "Do something else"  # type: ignore[misc]
    with pytest.raises(TypeError, match="read-only"):
        brief.inputs["items"][0]["name"] = "b"
    with pytest.raises(TypeError, match="read-only"):
        brief.inputs["items"] += [3]
    brief.scratchpad.append("second")
    assert list(brief.scratchpad) == ["first", "second"]
    assert brief.scratchpad.added == ("second",)
    assert brief.inputs == VALUE


def test_a_briefs_dump_is_its_own() -> None:
    """Changing what a brief was dumped to changes neither the brief nor its hash."""
    brief = build_brief(VALUE)
    before = brief.derive_hash()
    dumped = brief.dump()
    dumped["inputs"]["items"].clear()
    assert brief.inputs == VALUE
    assert brief.derive_hash() == before
    assert build_brief({**VALUE, "more": 2}).derive_hash() != before
