"""Which steps of a thread are whole teams, as its journal says: every team's plan stands there."""

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.near_names import suggest_names
from interlock.contracts.storage import Storage


async def list_team_paths(storage: Storage, thread_id: ThreadId) -> list[StepId]:
    """Return the paths of the steps whose teams have planned, in the order of their first plans."""
    handoffs = await storage.load_handoffs(thread_id)
    return list(dict.fromkeys(h.step_id for h in handoffs if h.kind == "plan" and h.step_id))


async def require_team_path(storage: Storage, thread_id: ThreadId, path: str) -> None:
    """Return if a step's team has planned on a thread.

    Raises:
        ConfigurationError: No such step, or its worker is no team, or it has not begun.
    """
    known = await list_team_paths(storage, thread_id)
    if path not in known:
        raise ConfigurationError(
            f"No team of a step {path!r} has worked on thread {thread_id!r}. A team within a team "
            f"goes by the path of its step, outer/inner. {suggest_names(path, known)}"
        )
