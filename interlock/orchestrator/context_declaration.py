"""The declared context of a team, checked before anything is opened: all that can never work."""

from collections.abc import Iterator

from pydantic import PydanticUserError

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.near_names import suggest_names
from interlock.contracts.shared_context import OPEN_CONTEXT, Fact, SharedContext
from interlock.criteria import list_paths
from interlock.criteria.cel_expressions import find_expression_problem
from interlock.criteria.json_schemas import find_schema_problem


def require_context(shared: SharedContext | None) -> SharedContext:
    """Return a team's declared context, or the open one.

    Raises:
        ConfigurationError: It cannot work; the message says what is wrong with the first of it.
    """
    if shared is None:
        return OPEN_CONTEXT
    for problem in _find_problems(shared):
        raise ConfigurationError(problem)
    return shared


def _find_problems(shared: SharedContext) -> Iterator[str]:
    seen: set[str] = set()
    for fact in shared.facts:
        if fact.name in seen:
            yield f"The fact {fact.name!r} is declared twice. Give each fact its own name."
        seen.add(fact.name)
        yield from _find_merge_problems(fact, shared)
        yield from _find_type_problems(fact)
    for invariant in shared.invariants:
        yield from _find_invariant_problems(invariant.expression, shared)


def _find_merge_problems(fact: Fact, shared: SharedContext) -> Iterator[str]:
    if fact.on_conflict == "merge" and fact.merge is None:
        yield (
            f"The fact {fact.name!r} is merged, and does not say how. Name a function of "
            f"SharedContext(merges=...): il.Fact(name={fact.name!r}, on_conflict='merge', "
            "merge='a name')."
        )
    elif fact.merge is not None and fact.on_conflict != "merge":
        yield (
            f"The fact {fact.name!r} names the merge function {fact.merge!r}, and its rule is "
            f"{fact.on_conflict!r}. Declare on_conflict='merge', or leave merge= out."
        )
    elif fact.merge is not None and fact.merge not in shared.merges:
        yield (
            f"The fact {fact.name!r} is merged by {fact.merge!r}, which is not among the merge "
            f"functions. {suggest_names(fact.merge, shared.merges)} Pass it in merges=."
        )


def _find_type_problems(fact: Fact) -> Iterator[str]:
    try:
        schema = fact.derive_schema()
    except PydanticUserError as exc:
        yield (
            f"The type of the fact {fact.name!r} has no JSON Schema: {exc.message}. Use fields that "
            "JSON can hold."
        )
        return
    if schema is not None and (problem := find_schema_problem(schema)) is not None:
        yield f"The type of the fact {fact.name!r} {problem}"


def _find_invariant_problems(expression: str, shared: SharedContext) -> Iterator[str]:
    problem = find_expression_problem(expression, names=("context",))
    if problem is not None:
        yield f"An invariant of the context {problem}"
        return
    known = [fact.name for fact in shared.facts]
    for path in list_paths(expression, "context"):
        if path and not shared.is_open and path[0] not in known:
            yield (
                f"The invariant {expression!r} looks at the fact {path[0]!r}, which is not "
                f"declared. {suggest_names(path[0], known)}"
            )
