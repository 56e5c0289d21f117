"""The real team that asks what the model says."""

from typing import Any

import interlock as il
from tests.integration.gated_graphs import GateCounts, build_gated_graph
from tests.integration.teams import build_desk, build_step
from tests.invariants.asking_model import LEFT, RIGHT

QUOTE = "A person answered: "


class AskingTeam:
    """Workers and planner; they hold nothing of a thread but what they were told."""

    def __init__(self, storage: il.Storage) -> None:
        """Use a storage, which outlives any desk."""
        self.storage = storage
        self.planner_heard: dict[str, list[str]] = {}

    def build_desk(self) -> il.Orchestrator:
        """Return the team in what could be another process."""
        agents = {
            "gate": work_gate,
            "judge": work_judge,
            "asker": build_gated_graph(GateCounts(), [LEFT, RIGHT], parallel=True),
        }
        return build_desk(
            agents,
            storage=self.storage,
            planner=self._plan,
            policy=il.RunPolicy(approve_plan=True, max_plan_attempts=9),
        )

    def _plan(self, request: il.PlanRequest) -> il.TaskGraph:
        heard = self.planner_heard.setdefault(request.goal, [])
        heard += [line.rpartition(": ")[2] for line in request.problems]
        steps = [
            build_step("gate", approval="true"),
            build_step("judge", criteria=[il.expr("output.ok")], fallback=[il.ask_person()]),
            build_step("asker"),
        ]
        return il.TaskGraph(goal=request.goal, steps=steps)


async def work_gate(brief: il.Brief) -> Any:
    """Say what it was told and given."""
    return describe(brief, ok=True)


async def work_judge(brief: il.Brief) -> Any:
    """Never be good enough; at first give nothing at all."""
    if brief.attempt == 1:
        raise ValueError("nothing yet")
    return describe(brief, ok=False)


def describe(brief: il.Brief, *, ok: bool) -> dict[str, Any]:
    """Return what people said to a worker, and its inputs."""
    told = [line.removeprefix(QUOTE) for line in brief.feedback if line.startswith(QUOTE)]
    return {"ok": ok, "told": told, "given": brief.dump()["inputs"]}
