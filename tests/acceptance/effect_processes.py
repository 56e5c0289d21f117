"""Processes that call guarded tools: many at once on one key, or one that dies inside a tool.

Called by the tests through zygotes. Effects are lines of a file, on the disk before anybody goes on.
"""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.tools import tool

import interlock as il
from interlock.checkpoints import SqlStorage
from tests.acceptance.six_steps import DieAt
from tests.integration.effects.agent_turns import call
from tests.integration.scripted_chat import ScriptedChat

SAME_KEY = f"{__name__}:call_same_key"
AGENT = f"{__name__}:run_agent"
SAME_DATABASE = f"{__name__}:write_same_database"


def append_line(file: Path, line: str) -> int:
    """Append a line, durably, and return how many there are."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return len(file.read_text().splitlines())


async def call_same_key(directory: str, name: str, calls: int) -> None:
    """Make the same call many times at once, as attempts of one scope, and note the answers."""
    folder = Path(directory)

    @il.idempotent(key_from=["order"])
    async def pay(order: str) -> dict[str, Any]:
        await asyncio.sleep(0.2)  # a duplicate in every process finds it running
        return {"receipt": append_line(folder / "paid", f"{order} by {name}"), "by": name}

    async def attempt(storage: il.Storage) -> Any:
        with il.effects(ledger=storage, scope="tenant-1/night", wait_seconds=60):
            return await pay("o1")

    async with il.open_storage(f"sqlite:///{folder}/ledger.db") as storage:
        answers = await asyncio.gather(*(attempt(storage) for _ in range(calls)))
    (folder / f"answers-{name}").write_text(json.dumps(answers))


class StrictChat(ScriptedChat):
    """Refuses, as providers do, a history in which a tool call has no answer right behind it."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
        for index, message in enumerate(messages):
            if isinstance(message, AIMessage) and message.tool_calls:
                ids = [one["id"] for one in message.tool_calls]
                behind = messages[index + 1 : index + 1 + len(ids)]
                seen = [one.tool_call_id for one in behind if isinstance(one, ToolMessage)]
                if sorted(map(str, ids)) != sorted(seen):
                    raise ValueError(f"tool calls {ids} have the answers {seen}")
        return super()._generate(messages, *args, **kwargs)


async def run_agent(directory: str, guard: str, moment: str = "") -> None:
    """Start or resume a run whose worker is an agent; die inside its tool at a moment."""
    folder = Path(directory)

    def find(order: str) -> str | None:
        lines = (folder / "paid").read_text().splitlines() if (folder / "paid").exists() else []
        return str(lines.index(order) + 1) if order in lines else None

    def die_at(here: str) -> None:
        if here == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    @tool
    async def pay(order: str) -> str:
        """Pay an order."""
        die_at("before")
        receipt = append_line(folder / "paid", order)
        die_at("after")
        return str(receipt)

    turns = [call(("pay", {"order": "o1"}), ("pay", {"order": "o2"})), "done"]
    model = StrictChat(turns=turns)
    if guard == "middleware":
        middleware = [il.IdempotentTools(tools={"pay": {"probe": lambda key, order: find(order)}})]
        agent = create_agent(model, tools=[pay], middleware=middleware)
    else:
        guarded = il.make_idempotent(pay, probe=lambda key, order: find(order))
        agent = create_agent(model, tools=[guarded])
    desk = il.Orchestrator(
        workers=[il.Worker(name="payer", agent=agent)],
        planner=il.TaskGraph(
            goal="pay", steps=[il.Step(id="pay", worker="payer", instruction="Pay o1 and o2")]
        ),
        storage=f"sqlite:///{folder}/desk.db",
    )
    async with desk:
        try:
            result = await desk.aresume("t")
        except il.UnknownThreadError:
            result = await desk.ainvoke("pay", thread_id="t")
    (folder / "result").write_text(json.dumps({"status": result.status, "reason": result.reason}))


async def write_same_database(directory: str, side: str | None = None, index: int = 0) -> None:
    """Run a tool that writes to the storage database, and die at a commit."""
    storage = SqlStorage(f"sqlite:///{directory}/desk.db", write_hook=DieAt(side, index))

    @il.idempotent()
    def pay(order: str, *, tx: il.Transaction) -> int:
        tx.execute("CREATE TABLE IF NOT EXISTS paid (id TEXT)")
        tx.execute("INSERT INTO paid VALUES (?)", (order,))
        return len(tx.execute("SELECT id FROM paid"))

    def work(brief: il.Brief) -> int:
        pay("o1")
        return pay("o2")

    desk = il.Orchestrator(
        workers=[il.Worker(name="payer", agent=work)],
        planner=il.TaskGraph(
            goal="pay", steps=[il.Step(id="pay", worker="payer", instruction="Pay o1 and o2")]
        ),
        storage=storage,
    )
    await storage.connect()
    try:
        async with desk:
            try:
                result = await desk.aresume("t")
            except il.UnknownThreadError:
                result = await desk.ainvoke("pay", thread_id="t")
            (Path(directory) / "result").write_text(json.dumps(result.outputs["pay"]))
    finally:
        await storage.aclose()
