"""Shared context as it is declared: which facts there may be, and what becomes of two at once.

A fact is a named, typed value that steps promote and other steps read. It lives in a *space*, the
unit of versions: the thread's own, or a named one that many threads share.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, Field

from interlock.contracts.criteria import ExpressionCriterion
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import ThreadId
from interlock.contracts.plain import Plain
from interlock.contracts.plan import ContextKey

ConflictRule: TypeAlias = Literal["refuse", "first", "last", "merge"]

MergeFunction: TypeAlias = Callable[[Plain, Plain], Plain]
"""`(held, offered) -> value`: pure, and the same for the same values; it gets copies."""

NAMED_SPACE: Final = "space/"
"""How the names of shared spaces begin; no thread id may."""

_Shape: TypeAlias = type[BaseModel] | dict[str, Any] | None
_SpaceName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,127}$")]


class Fact(FrozenModel):
    """One declared fact of the shared context.

    Attributes:
        name: The context key.
        type: What its value is: a pydantic class, or a JSON Schema. Anything if left out.
        on_conflict: What becomes of an offered value when the fact is there. `refuse`: it enters
            only if nobody has changed the fact since the step was briefed. `first`: what is held
            stays. `last`: what the step later in plan order offers stays; between threads, what
            is committed later. `merge`: the function `merge` makes one of both.
        merge: The name of a function in `SharedContext.merges`; for `merge` only.
        space: The named space that it lives in, shared by all threads that name the same one in
            `spaces=`; the thread's own if left out.
        description: What it says, for people.
    """

    name: ContextKey
    type: _Shape = None
    on_conflict: ConflictRule = "refuse"
    merge: str | None = None
    space: _SpaceName | None = None
    description: str = ""

    def derive_schema(self) -> dict[str, Any] | None:
        """Return the JSON Schema of its value, or None if it may be anything."""
        if self.type is None or isinstance(self.type, dict):
            return self.type
        return self.type.model_json_schema()


class SharedContext(FrozenModel):
    """The shared context of a team.

    Attributes:
        facts: Without any, every key may be seeded, read and published, under the rule `refuse`.
            With some, only these may.
        invariants: CEL expressions over `context` that hold after every promotion. One is
            decided as soon as all that it looks at is there.
        merges: Functions that facts name in `merge`.
    """

    facts: tuple[Fact, ...] = ()
    invariants: tuple[ExpressionCriterion, ...] = ()
    merges: Mapping[str, MergeFunction] = Field(default={}, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether any key may be used."""
        return not self.facts

    def index_facts(self) -> Mapping[str, Fact]:
        """Return the declared facts by key."""
        return {fact.name: fact for fact in self.facts}

    def find_fact(self, key: str) -> Fact | None:
        """Return what is declared of a key; None if it may not be used."""
        if self.is_open:
            return Fact.model_construct(name=key)  # what a run was given may have any name
        return self.index_facts().get(key)

    def list_roles(self) -> tuple[str, ...]:
        """Return the named spaces that facts live in, in the order of their declaration."""
        return tuple(dict.fromkeys(fact.space for fact in self.facts if fact.space is not None))


OPEN_CONTEXT: Final = SharedContext()
"""What holds where nothing is declared."""


def name_own_space(thread_id: ThreadId, scope: str = "") -> str:
    """Return the name of the space that a run has to itself; a nested team's run has another.

    Args:
        thread_id: The thread.
        scope: The path of steps above, `outer/`, in nested teams.
    """
    if not scope:
        return f"thread/{thread_id}"
    depth = scope.count("/")  # so that no two threads and scopes make one name
    return f"team/{depth}/{scope}{thread_id}"


def name_shared_space(role: str, identifier: str) -> str:
    """Return the name of the space that all threads share which name it so."""
    return f"{NAMED_SPACE}{role}/{identifier}"


def is_shared_space(space: str) -> bool:
    """Return whether a space is a named one."""
    return space.startswith(NAMED_SPACE)


def describe_space(space: str) -> str:
    """Return the name of a space in words: `customer/c-42`, `thread t17`, `team outer/t17`."""
    if is_shared_space(space):
        return space.removeprefix(NAMED_SPACE)
    kind, _, rest = space.partition("/")
    return f"{kind} {rest.partition('/')[2] if kind == 'team' else rest}"
