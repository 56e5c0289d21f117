"""Which steps of a thread are whole teams, and what was handed over in one, as its journal says."""

from collections.abc import Iterable, Sequence

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import HandoffId, StepId, ThreadId
from interlock.contracts.near_names import suggest_names
from interlock.contracts.storage import Storage


async def list_team_paths(storage: Storage, thread_id: ThreadId) -> list[StepId]:
    """Return the paths of the steps whose teams have planned, in the order of their first plans."""
    handoffs = await storage.load_handoffs(thread_id)
    return list(dict.fromkeys(h.step_id for h in handoffs if h.kind == "plan" and h.step_id))


async def load_handoffs_at(
    storage: Storage, thread_id: ThreadId, path: str | None, *, payloads: bool
) -> Sequence[Handoff]:
    """Return a thread's handoffs: all, one step's, or those within a step's team.

    Args:
        storage: Where the journal lies.
        thread_id: The thread.
        path: Of a step; one that ends in `/` stands for all that is below it, at any depth, and for
            the team's plans.
        payloads: Whether with what was handed over.
    """
    if path is None or not path.endswith("/"):
        step_id = StepId(path) if path is not None else None
        return await storage.load_handoffs(thread_id, step_id=step_id, payloads=payloads)
    every = await storage.load_handoffs(thread_id, payloads=payloads)
    return [
        handoff
        for handoff in every
        if (handoff.step_id or "").startswith(path)
        or (handoff.kind == "plan" and f"{handoff.step_id}/" == path)
    ]


def find_attempts_above(journal: Iterable[Handoff]) -> dict[HandoffId, tuple[int, ...]]:
    """Return for every handoff within a nested team the attempts of the steps above, outermost first.

    Args:
        journal: A thread's, whole and oldest first.
    """
    attempts: dict[str, int] = {}
    found: dict[HandoffId, tuple[int, ...]] = {}
    for handoff in journal:
        path = handoff.step_id or ""
        if handoff.kind == "brief":
            attempts[path] = handoff.attempt
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if len(parts) > 1:
            found[handoff.id] = tuple(attempts.get(outer, 0) for outer in above)
    return found


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
