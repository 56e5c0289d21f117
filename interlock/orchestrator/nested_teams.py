"""The team that works at a path of a thread, found in the declaration of the team around it."""

from collections.abc import Mapping
from typing import Any

from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import StepId, ThreadId, WorkerName
from interlock.contracts.storage import Storage
from interlock.nodes.run.team import Team, TeamSpec, find_team_spec


async def find_team_at(
    team: Team, storage: Storage, thread_id: ThreadId, path: str
) -> tuple[Team, Mapping[str, Any]]:
    """Return the team that is a step's worker, and the context that its step gives it.

    Args:
        team: The outermost one.
        storage: Where the thread lies.
        thread_id: The thread.
        path: Of the step, `outer/inner`; its attempt has begun.

    Raises:
        ConfigurationError: No team works there.
    """
    spec = team.spec
    parts = path.strip("/").split("/")
    brief: Mapping[str, Any] = {}
    for depth in range(1, len(parts) + 1):
        step_id = StepId("/".join(parts[:depth]))
        worker, brief = await _load_last_brief(storage, thread_id, step_id)
        spec = _find_within(spec, worker, step_id=step_id)
    nested = Team.build(spec, open_storage=team.open_storage, clock=team.clock)
    return nested, {**brief.get("context", {}), **brief.get("inputs", {})}


async def _load_last_brief(
    storage: Storage, thread_id: ThreadId, step_id: StepId
) -> tuple[WorkerName | None, Mapping[str, Any]]:
    handoffs = await storage.load_handoffs(thread_id, step_id=step_id, payloads=True)
    briefs = [handoff for handoff in handoffs if handoff.kind == "brief"]
    return (briefs[-1].worker, briefs[-1].payload or {}) if briefs else (None, {})


def _find_within(spec: TeamSpec, worker: WorkerName | None, *, step_id: StepId) -> TeamSpec:
    known = spec.workers.get(worker) if worker is not None else None
    nested = find_team_spec(known.agent) if known is not None else None
    if nested is None:
        raise ConfigurationError(
            f"No team works on step {step_id!r}: its worker is {worker!r}. Name the team that the "
            "thread was started with, and the path of a step whose worker is a team."
        )
    return nested
