"""Public task graphs as teams whose every value is a sum: one wrong value makes the rest wrong, too."""

import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import interlock as il
from tests.integration.teams import build_step
from tests.metrics.recount_stage import Stage

DAGS: Final = Path(__file__).parents[2] / "workloads" / "dags"
MODULUS: Final = 2**31 - 1
"""A prime: two wrong inputs do not make a right sum by chance."""


@dataclass(kw_only=True)
class KnownGraph:
    """A task graph by ids, read straight from its file.

    Attributes:
        deps: Task to the tasks it waits for, in topological order.
        stats: As its file says.
    """

    deps: Mapping[int, Sequence[int]]
    stats: Mapping[str, Any] = field(default_factory=dict)

    def list_readers(self, task: int) -> list[int]:
        """Return the tasks that wait for a task."""
        return [name for name, deps in self.deps.items() if task in deps]

    def walk(
        self, origin: int, *, more: Mapping[int, Iterable[int]] | None = None
    ) -> dict[int, int]:
        """Return every descendant with its distance; `more` are edges that the file has not."""
        children: dict[int, list[int]] = {name: [] for name in self.deps}
        for name, deps in self.deps.items():
            for dep in deps:
                children[dep].append(name)
        for name, targets in (more or {}).items():
            children[name] += targets
        found, todo = {origin: 0}, deque([origin])
        while todo:
            name = todo.popleft()
            for child in children[name]:
                if child not in found:
                    found[child] = found[name] + 1
                    todo.append(child)
        del found[origin]
        return found

    def count_descendants(self) -> dict[int, int]:
        """Return how many descendants each task has, by bits."""
        places = {name: place for place, name in enumerate(self.deps)}
        below = dict.fromkeys(self.deps, 0)
        for name in reversed(list(self.deps)):
            for dep in self.deps[name]:
                below[dep] |= below[name] | (1 << places[name])
        return {name: bits.bit_count() for name, bits in below.items()}


def load_graph(name: str) -> KnownGraph:
    """Return a public task graph by its file's name."""
    data = json.loads((DAGS / f"{name}.json").read_text())
    return KnownGraph(
        deps={task["id"]: tuple(task["deps"]) for task in data["tasks"]}, stats=data["stats"]
    )


def name_step(task: int) -> str:
    """Return a task's step."""
    return f"t{task}"


@dataclass(kw_only=True)
class SumTeam:
    """A team in which every step gives its own number and the sum of what it was given.

    Attributes:
        graph: What it runs.
        stage: Where.
        origin: The task whose value is wrong; none if None.
        fields: More fields of the steps, by task.
        values: What was last given, by step.
        checks: Registered checks.
    """

    graph: KnownGraph
    stage: Stage
    origin: int | None = None
    fields: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)

    def work(self, brief: il.Brief) -> dict[str, int]:
        """Add up what is given; the origin is wrong by one, and looks no different."""
        self.stage.take(1)
        own = int(brief.step_id.rpartition("/")[2][1:])
        total = own + sum(value["sum"] for value in brief.inputs.values()) * 31
        if own == self.origin:
            total += 1
        self.values[brief.step_id] = total % MODULUS
        return {"own": own, "sum": total % MODULUS}

    def open(self, **options: Any) -> il.Orchestrator:
        """Return the team."""
        steps = [
            build_step(
                name_step(task),
                "work",
                **{
                    "needs": [name_step(dep) for dep in deps],
                    "criteria": [il.expr("output.sum >= 0 && output.own >= 0")],
                    **self.fields.get(task, {}),
                },
            )
            for task, deps in self.graph.deps.items()
        ]
        return self.stage.open(
            {"work": self.work},
            *steps,
            team="sums",
            checks=dict(self.checks),
            policy=il.RunPolicy(max_parallel=None),
            **options,
        )

    async def find_spoilt(self, thread_id: str) -> set[str]:
        """Run it right and wrong; return the steps whose values differ, the origin not among them."""
        wrong, self.origin = self.origin, None
        async with self.open() as desk:
            await desk.ainvoke("Add", thread_id=f"{thread_id}-right")
        right, self.values = self.values, {}
        self.origin = wrong
        async with self.open() as desk:
            await desk.ainvoke("Add", thread_id=thread_id)
        assert wrong is not None
        return {step for step, value in self.values.items() if right[step] != value} - {
            name_step(wrong)
        }
