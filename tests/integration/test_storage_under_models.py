"""A storage that fails while a model call is written down: nobody's attempt, judgement or plan."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

import interlock as il
from interlock.contracts.storage import Storage


class Calls:
    """Who called a model, and a storage that fails under the first call of one of them."""

    def __init__(self, unlucky: str) -> None:
        """Let the first call of one role fail."""
        self.unlucky = unlucky
        self.roles: list[str] = []
        self.fails = False

    async def call(self, role: str) -> None:
        """Call a model."""
        self.roles.append(role)
        self.fails = role == self.unlucky and self.roles.count(role) == 1
        await GenericFakeChatModel(messages=iter([AIMessage("yes")])).ainvoke("Well?")

    def spoil(self, storage: Storage) -> Callable[[str], Any]:
        """Return a flush that fails when it is to."""
        flush = storage.flush

        async def flush_or_fail(thread_id: Any) -> None:
            if self.fails:
                self.fails = False
                raise il.StorageBusyError("The database was locked for too long.")
            await flush(thread_id)

        return flush_or_fail


@pytest.mark.parametrize(
    ("unlucky", "roles"),
    [
        ("planner", ["planner", "planner", "worker", "judge"]),
        ("worker", ["planner", "worker", "worker", "judge"]),
        ("judge", ["planner", "worker", "judge", "judge"]),
    ],
)
async def test_the_run_stops_and_goes_on_where_it_stood(
    unlucky: str, roles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets the storage's error; a resume asks once more, and no attempt is used up."""
    calls = Calls(unlucky)

    async def plan(request: il.PlanRequest) -> il.TaskGraph:
        await calls.call("planner")
        step = il.Step(
            id="a",
            worker="work",
            instruction="Do",
            criteria=[il.rubric("Is done")],
            retry=il.Retry(max_attempts=1),
        )
        return il.TaskGraph(goal=request.goal, steps=[step])

    async def work(brief: il.Brief) -> int:
        await calls.call("worker")
        return brief.attempt

    async def judge(request: il.JudgeRequest) -> bool:
        await calls.call("judge")
        return True

    policy = il.RunPolicy(max_plan_attempts=1)
    async with il.open_storage("memory://") as storage:
        monkeypatch.setattr(storage, "flush", calls.spoil(storage))
        desk = il.Orchestrator(
            workers=[il.Worker(name="work", agent=work)],
            planner=plan,
            judges=[judge],
            storage=storage,
            policy=policy,
        )
        async with desk:
            with pytest.raises(il.StorageBusyError):
                await desk.ainvoke("g", thread_id="t")
            result = await desk.aresume("t")
    assert (result.status, result.outputs, result.usage.attempts) == ("completed", {"a": 1}, 1)
    assert calls.roles == roles
