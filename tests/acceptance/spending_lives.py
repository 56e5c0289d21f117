"""Teams that would call a model for ever, and the life of a process that is killed in such a call.

Called by a zygote. Calls are written down by the model itself, outside of any book.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

import interlock as il
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.teams import build_desk, build_step

CALL = "tests.acceptance.spending_lives:live"
MOST_CALLS = 12


class Provider(ScriptedChat):
    """A model whose calls are written down; it kills its process in one of them."""

    turns: list[Any] = []
    record: str
    fatal: int
    made: int = 0

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        self.made += 1
        with Path(self.record).open("a", encoding="utf-8") as file:
            file.write("call\n")
            file.flush()
            os.fsync(file.fileno())
        if self.made == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        usage = {"input_tokens": 10, "output_tokens": 90, "total_tokens": 100}
        message = AIMessage("no", usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])


def build_team(kind: str, model: Provider, url: str) -> il.Orchestrator:
    """Return a team of a kind, whose run may make so many calls."""
    gap = [il.skip(gap="no answer")]
    policy = il.RunPolicy(budget=il.Budget(model_calls=MOST_CALLS, tokens=100_000))

    async def loop(brief: il.Brief) -> str:
        while True:
            await model.bind(max_tokens=90).ainvoke("again")

    async def echo(brief: il.Brief) -> str:
        return brief.instruction

    async def plan(request: il.PlanRequest) -> il.TaskGraph:
        await model.bind(max_tokens=90).ainvoke("what next?")
        old = () if request.previous is None else request.previous.steps
        name = f"s{len(old)}"
        more = build_step(name, "echo", instruction=f"Do {name}", fallback=gap)
        return il.TaskGraph(goal=request.goal, steps=[*old, more], is_open=True)

    if kind == "planner":
        return build_desk({"echo": echo}, planner=plan, policy=policy, storage=url)
    inner: Any = loop
    if kind == "nested":
        inner = build_desk({"loop": loop}, build_step("loop", fallback=gap))
    return build_desk({"work": inner}, build_step("work", fallback=gap), policy=policy, storage=url)


async def live(*, directory: str, kind: str, fatal: int) -> None:
    """Start the run or go on with it, and write down how it ended if it did."""
    folder = Path(directory)
    model = Provider(record=str(folder / "calls"), fatal=fatal)
    async with build_team(kind, model, f"sqlite:///{folder / 'desk.db'}") as desk:
        try:
            result = await desk.ainvoke("Test", thread_id="t")
        except il.UnfinishedRunError:
            result = await desk.aresume("t")
        said = {
            "status": result.status,
            "words": [*result.gaps, *(str(one.reason) for one in result.outcomes.values())],
            "calls": (await desk.astatus("t")).usage.model_calls,
        }
    (folder / "result").write_text(json.dumps(said), encoding="utf-8")
