"""Small teams: steps, plans, workers that remember what they were shown, open desks."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import interlock as il


def build_step(step_id: str, worker: str | None = None, **fields: Any) -> il.Step:
    """Return a step for a worker, who is called like the step if not named."""
    return il.Step(
        id=step_id,
        worker=worker or step_id,
        **{"instruction": f"Do {step_id}", **fields},
    )


def build_plan(*steps: il.Step, goal: str = "Test") -> il.TaskGraph:
    """Return a plan of these steps."""
    return il.TaskGraph(goal=goal, steps=steps)


def build_workers(agents: Mapping[str, Any]) -> list[il.Worker]:
    """Return one worker an agent, by name; a worker stays as it is."""
    return [
        agent if isinstance(agent, il.Worker) else il.Worker(name=name, agent=agent)
        for name, agent in agents.items()
    ]


def build_desk(
    agents: Mapping[str, Any],
    *steps: il.Step,
    storage: Any = "memory://",
    planner: Any = None,
    **options: Any,
) -> il.Orchestrator:
    """Return a team, not opened; without steps and planner, one step a worker."""
    chosen = steps or tuple(build_step(name) for name in agents)
    return il.Orchestrator(
        workers=build_workers(agents),
        planner=build_plan(*chosen) if planner is None else planner,
        storage=storage,
        **options,
    )


def locate(folder: Path, name: str = "desk.db") -> str:
    """Return the URL of a database file in a folder."""
    return f"sqlite:///{folder / name}"


class Recorder:
    """A worker that remembers its briefs and gives what it was told to give.

    What is callable is called with the brief; an exception is raised; of a list, one entry an
    attempt, the last one again and again.
    """

    def __init__(self, *gives: Any) -> None:
        """Give these, one a call."""
        self.gives = gives or ("done",)
        self.briefs: list[il.Brief] = []

    @property
    def calls(self) -> int:
        """How often it was called."""
        return len(self.briefs)

    async def __call__(self, brief: il.Brief) -> Any:
        """Give the next value."""
        self.briefs.append(brief)
        value = self.gives[min(self.calls, len(self.gives)) - 1]
        if isinstance(value, BaseException):
            raise value
        result = value(brief) if callable(value) else value
        return await result if inspect.isawaitable(result) else result


def give(value: Any) -> Callable[[il.Brief], Any]:
    """Return a sync worker that always gives this."""

    def worker(brief: il.Brief) -> Any:
        return value

    return worker
