"""The error tree: drawn as it is, exported, pickled with its values, worded with what to do."""

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

import interlock as il
from interlock.contracts import errors
from interlock.contracts.errors import InterlockError, PlanProblem

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, InterlockError)
}
DRAWING = errors.__doc__ or ""
VALUES: dict[str, Any] = {
    "step_id": "write",
    "seconds": 2.5,
    "thread_id": "t17",
    "owner": "process 12 on desk",
    "seconds_left": 7.0,
    "path": "output.items[0]",
    "seen": "nan",
    "problems": (PlanProblem("cycle", "These steps need each other. Remove one.", "a"),),
    "question_id": "q-1",
    "open_ids": ("q-2", "q-3"),
    "reason": "it was answered before",
    "status": "running",
    "token": 3,
    "known": 2,
}
ADVICE = re.compile(
    r"(?:^|[.;)] |\n)(?:Raise|Wait|Return|Use|Read|Check|Go on|Resume|Correct|Remove|Add)\b"
)


def build(cls: type[InterlockError]) -> InterlockError:
    """Return an error of a class with a value for everything it asks for."""
    wanted = [name for name in inspect.signature(cls).parameters if name in VALUES]
    return cls(**{name: VALUES[name] for name in wanted}) if wanted else cls("It failed. Wait.")


def read_drawing() -> dict[str, str]:
    """Return class to parent as the module's docstring draws them."""
    parents = {"InterlockError": ""}
    above = {0: "InterlockError"}
    for indent, names in re.findall(
        r"^ {4}([| ]*)\+- ([\w/ ]*?Error\b(?: / \w+Error)?)", DRAWING, re.MULTILINE
    ):
        depth = len(indent) // 3
        for name in names.split(" / "):
            parents[name] = above[depth]
            above[depth + 1] = name
    return parents


def test_the_drawn_tree_is_the_tree() -> None:
    """What the module shows at its top are the classes there are, under their parents."""
    actual = {name: cls.__base__.__name__ for name, cls in CLASSES.items()}
    actual["InterlockError"] = ""
    assert read_drawing() == actual


def test_every_error_is_exported() -> None:
    """A caller can catch whatever is raised without knowing where it is defined."""
    for name, cls in CLASSES.items():
        assert name in il.__all__
        assert getattr(il, name) is cls


def test_branches_are_split_by_what_the_caller_can_do() -> None:
    """The five ways to go on, and the run's own state, are the only direct children."""
    children = {name for name, cls in CLASSES.items() if cls.__base__ is InterlockError}
    assert children == {
        "TransientError",
        "PermanentError",
        "PlanError",
        "AnswerError",
        "RunError",
        "ContractError",
    }


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_every_error_pickles_with_its_values(cls: type[InterlockError]) -> None:
    """An error that crosses a process still has its class, its values and its words."""
    error = build(cls)
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(6)]
    for back in [copy.copy(error), copy.deepcopy(error), *pickled]:
        assert type(back) is cls
        assert vars(back) == vars(error)
        assert str(back) == str(error)


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_every_message_says_what_was_seen_and_what_to_do(cls: type[InterlockError]) -> None:
    """The words are made of the values, and end in something that a reader can do."""
    error = build(cls)
    text = str(error)
    assert ADVICE.search(text), text
    assert text.endswith((".", ".)"))
    if cls is not errors.PlanError:
        shown = [value for value in error.values.values() if isinstance(value, str)]
        assert all(value in text for value in shown), text


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_values_are_attributes(cls: type[InterlockError]) -> None:
    """A caller reads values, and never the text."""
    error = build(cls)
    for name in inspect.signature(cls).parameters:
        if name in VALUES:
            assert getattr(error, name) == VALUES[name]


def test_a_users_own_error_keeps_its_values() -> None:
    """A subclass that a worker raises pickles like ours, extra values included."""
    error = il.TransientError("The shop is closed.", opens_at=9)
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.opens_at) == ("The shop is closed.", 9)


@pytest.mark.parametrize(("status", "call"), [("waiting", "aanswer"), ("running", "aresume")])
def test_an_unfinished_run_is_gone_on_with_by_the_call_that_fits(status: str, call: str) -> None:
    """A run that waits is answered; any other is resumed."""
    error = il.UnfinishedRunError(thread_id="t17", status=status)
    assert f"Go on with {call}('t17')" in str(error)


def test_a_plan_error_lists_one_problem_a_line() -> None:
    """One problem is one problem, two are two problems."""
    one = PlanProblem("no_steps", "No steps.")
    assert str(il.PlanError([one])) == "The task graph has 1 problem:\n  - No steps."
    assert str(il.PlanError([one, one])).startswith("The task graph has 2 problems:\n")
