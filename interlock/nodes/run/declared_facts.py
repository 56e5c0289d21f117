"""What a run may be started with, by the team's declared context; called before anything runs."""

from collections.abc import Collection, Iterable, Mapping

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.near_names import suggest_names
from interlock.contracts.shared_context import NAMED_SPACE, SharedContext


def require_declared(shared: SharedContext, keys: Iterable[str]) -> None:
    """Return if a run may be started with these facts.

    Raises:
        ConfigurationError: One is not declared.
    """
    for key in keys:
        if shared.find_fact(key) is None:
            known = [fact.name for fact in shared.facts]
            raise ConfigurationError(
                f"The run's context has {key!r}, which the team's context does not declare. "
                f"{suggest_names(key, known)} Declare it: il.Fact(name={key!r})."
            )


def require_spaces(shared: SharedContext, spaces: Mapping[str, str]) -> None:
    """Return if a run says of every named space which one it works in.

    Raises:
        ConfigurationError: It does not.
    """
    for role in shared.list_roles():
        if not spaces.get(role):
            facts = ", ".join(repr(fact.name) for fact in shared.facts if fact.space == role)
            raise ConfigurationError(
                f"The named space {role!r} has facts of this team ({facts}), and the run does not "
                f"say which space that is. Start it with spaces={{{role!r}: 'an id'}}; on the "
                f"command line, --space {role}=ID."
            )


def refuse_unknown_spaces(roles: Collection[str], spaces: Iterable[str]) -> None:
    """Return if facts of the team live in every named space that a run names.

    Args:
        roles: Of the team, and of teams within it.
        spaces: That the run names.

    Raises:
        ConfigurationError: None does in one of them.
    """
    for role in spaces:
        if role not in roles:
            raise ConfigurationError(
                f"The run names a space {role!r}, in which no fact of the team's context lives. "
                f"{suggest_names(role, roles)} Declare one: il.Fact(name=..., space={role!r})."
            )


def require_own(shared: SharedContext, keys: Iterable[str]) -> None:
    """Return if none of a run's facts lives in a named space: those enter as the run is accepted.

    Raises:
        ConfigurationError: One does.
    """
    for key in keys:
        fact = shared.find_fact(key)
        if fact is not None and fact.space is not None:
            raise ConfigurationError(
                f"The run's context has {key!r}, which lives in the named space {fact.space!r}. Start "
                "the run with il.Orchestrator, which puts it there, or leave it out."
            )


def refuse_reserved_id(thread_id: str) -> None:
    """Return if a thread may have this id.

    Raises:
        ConfigurationError: It is called like a named space, whose values would lie among its own.
    """
    if thread_id.startswith(NAMED_SPACE):
        raise ConfigurationError(
            f"The thread id is {thread_id!r}. Names that begin with {NAMED_SPACE!r} are those of "
            "named spaces of shared context: give the thread another one."
        )
