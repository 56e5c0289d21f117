"""`make_idempotent`: any LangChain tool under guard, with its own ways unchanged."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import (
    BaseTool,
    InjectedToolArg,
    InjectedToolCallId,
    StructuredTool,
    ToolException,
    tool,
)
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.types import Command
from pydantic import BaseModel, ValidationError

import interlock as il
from tests.integration.effects.till import Till, list_scope


@pytest.fixture
async def storage() -> AsyncIterator[il.Storage]:
    """Return an open storage."""
    async with il.open_storage("memory://") as opened:
        yield opened


async def call_twice(storage: il.Storage, guarded: BaseTool, given: Any) -> tuple[Any, Any]:
    """Return what two attempts at the same call get."""
    answers = []
    for _ in range(2):
        with il.effects(ledger=storage, scope="s"):
            answers.append(await guarded.ainvoke(given))
    return answers[0], answers[1]


def build_tools(till: Till) -> dict[str, BaseTool]:
    """Return one tool of each kind; all pay 50 to an order."""

    @tool
    def sync_tool(order: str) -> str:
        """Pay."""
        return str(till.pay(order, 50)["receipt"])

    @tool
    async def async_tool(order: str) -> str:
        """Pay."""
        return str(till.pay(order, 50)["receipt"])

    class Own(BaseTool):
        name: str = "own"
        description: str = "Pay."

        def _run(self, order: str) -> str:
            return str(till.pay(order, 50)["receipt"])

    class OwnAsync(Own):
        name: str = "own_async"

        async def _arun(self, order: str) -> str:
            return str(till.pay(order, 50)["receipt"])

    async def pay(order: str) -> tuple[str, dict[str, Any]]:
        """Pay."""
        receipt = till.pay(order, 50)
        return str(receipt["receipt"]), receipt

    schema = {
        "type": "object",
        "properties": {"order": {"type": "string"}},
        "required": ["order"],
    }
    with_artifact = StructuredTool(
        name="with_artifact",
        description="Pay.",
        args_schema=schema,
        coroutine=pay,
        response_format="content_and_artifact",
    )
    return {
        "sync": sync_tool,
        "async": async_tool,
        "own": Own(),
        "own_async": OwnAsync(),
        "artifact": with_artifact,
    }


@pytest.mark.parametrize("kind", ["sync", "async", "own", "own_async", "artifact"])
async def test_any_tool_pays_once_and_answers_alike(kind: str, storage: il.Storage) -> None:
    """Each kind of tool runs once; the second attempt gets the first one's answer."""
    till = Till()
    original = build_tools(till)[kind]
    guarded = il.make_idempotent(original)
    assert (guarded.name, guarded.description) == (original.name, original.description)
    assert guarded.args == original.args
    first, second = await call_twice(storage, guarded, {"order": "o1"})
    assert first == second == "1"
    assert till.paid == [("o1", 50)]
    await original.ainvoke({"order": "o1"})
    assert len(till.paid) == 2  # the original is as it was


async def test_a_tool_call_gets_its_message_and_artifact_again(storage: il.Storage) -> None:
    """The duplicate's ToolMessage has the artifact, under the id of its own tool call."""
    till = Till()
    guarded = il.make_idempotent(build_tools(till)["artifact"])
    messages = []
    for number in (1, 2):
        given = {
            "type": "tool_call",
            "id": f"c{number}",
            "name": "with_artifact",
            "args": {"order": "o1"},
        }
        with il.effects(ledger=storage, scope="s"):
            messages.append(await guarded.ainvoke(given))
    assert [message.tool_call_id for message in messages] == ["c1", "c2"]
    assert (
        messages[0].artifact == messages[1].artifact == {"order": "o1", "cents": 50, "receipt": 1}
    )
    assert till.paid == [("o1", 50)]


def test_a_sync_call_is_guarded_too() -> None:
    """`invoke` blocks, and pays once."""
    import asyncio

    till = Till()
    guarded = il.make_idempotent(build_tools(till)["sync"])

    async def run() -> list[Any]:
        async with il.open_storage("memory://") as opened:

            def work() -> list[Any]:
                answers = []
                for _ in range(2):
                    with il.effects(ledger=opened, scope="s"):
                        answers.append(guarded.invoke({"order": "o1"}))
                return answers

            return await asyncio.to_thread(work)

    assert asyncio.run(run()) == ["1", "1"]
    assert till.paid == [("o1", 50)]


async def test_what_the_schema_refuses_never_reaches_the_ledger(storage: il.Storage) -> None:
    """A validation error is raised before anything is recorded; the right call then runs."""
    till = Till()
    guarded = il.make_idempotent(build_tools(till)["async"])
    with il.effects(ledger=storage, scope="s"), pytest.raises(ValidationError):
        await guarded.ainvoke({"order": {"no": "text"}})
    assert await list_scope(storage) == []
    assert (await call_twice(storage, guarded, {"order": "o1"}))[0] == "1"


async def test_a_tools_refusal_is_recorded_and_handled_as_before(storage: il.Storage) -> None:
    """ToolException is the tool's last word: recorded once, raised or handled each time."""
    calls: list[str] = []

    @tool
    async def refund(order: str) -> str:
        """Refuse."""
        calls.append(order)
        raise ToolException(f"no order {order}")

    raising = il.make_idempotent(refund)
    for _ in range(2):
        with (
            il.effects(ledger=storage, scope="raising"),
            pytest.raises(ToolException, match="no order o1"),
        ):
            await raising.ainvoke({"order": "o1"})
    refund.handle_tool_error = True
    handling = il.make_idempotent(refund)
    assert await call_twice(storage, handling, {"order": "o1"}) == ("no order o1",) * 2
    assert calls == ["o1", "o1"]  # once a scope
    (effect,) = await list_scope(storage, "raising")
    assert effect.state == "failed"


async def test_injected_arguments_arrive_and_make_no_key(storage: il.Storage) -> None:
    """The tool call's id, a config and an injected value reach the tool; other ones, same effect."""
    seen: list[tuple[str, str, Any]] = []

    @tool
    async def refund(
        order: str,
        tenant: Annotated[str, InjectedToolArg],
        call_id: Annotated[str, InjectedToolCallId],
        config: RunnableConfig,
    ) -> str:
        """Pay."""
        seen.append((tenant, call_id, config.get("tags")))
        return order

    guarded = il.make_idempotent(refund)
    for number in (1, 2):
        given = {
            "type": "tool_call",
            "id": f"c{number}",
            "name": "refund",
            "args": {"order": "o1", "tenant": f"tenant {number}"},
        }
        with il.effects(ledger=storage, scope="s"):
            message = await guarded.ainvoke(given, {"tags": ["x"]})
        assert (message.content, message.tool_call_id) == ("o1", f"c{number}")
    assert seen == [("tenant 1", "c1", ["x"])]
    (effect,) = await list_scope(storage)
    assert effect.arguments == {"order": "o1"}


async def test_a_command_is_recorded_and_given_back(storage: il.Storage) -> None:
    """A tool that updates the graph's state does so again for the duplicate, effects apart."""
    till = Till()

    @tool
    async def refund(order: str) -> Command[Any]:
        """Pay."""
        return Command(update={"paid": till.pay(order, 5)["receipt"]}, goto="next")

    first, second = await call_twice(storage, il.make_idempotent(refund), {"order": "o1"})
    assert first.update == second.update == {"paid": 1}
    assert first.goto == second.goto
    assert till.paid == [("o1", 5)]


async def test_an_answer_that_cannot_be_recorded_is_said(storage: il.Storage) -> None:
    """It happened, and the answer is lost: caller and duplicates are told so, and it runs once."""
    till = Till()

    @tool
    async def refund(order: str) -> Any:
        """Pay."""
        till.pay(order, 5)
        return {1, 2}

    guarded = il.make_idempotent(refund)
    for _ in range(2):
        with il.effects(ledger=storage, scope="s"), pytest.raises(il.PlainValueError):
            await guarded.ainvoke({"order": "o1"})
    assert till.paid == [("o1", 5)]
    (effect,) = await list_scope(storage)
    assert effect.state == "done"


async def test_a_default_that_is_left_out_is_the_same_call(storage: il.Storage) -> None:
    """Naming an argument's default, or not, makes one key."""
    till = Till()

    class Args(BaseModel):
        order: str
        cents: int = 5

    async def refund(order: str, cents: int = 5) -> int:
        """Pay."""
        return int(str(till.pay(order, cents)["receipt"]))

    guarded = il.make_idempotent(StructuredTool.from_function(coroutine=refund, args_schema=Args))
    for given in ({"order": "o1"}, {"order": "o1", "cents": 5}):
        with il.effects(ledger=storage, scope="s"):
            assert await guarded.ainvoke(given) == 1
    assert till.paid == [("o1", 5)]


def test_what_cannot_be_guarded_is_refused() -> None:
    """Something else than a tool, or a tool that is guarded already, is an error that says so."""
    guarded = il.make_idempotent(build_tools(Till())["sync"])
    with pytest.raises(il.ConfigurationError, match="guarded already"):
        il.make_idempotent(guarded)
    with pytest.raises(il.ConfigurationError, match=r"@il\.idempotent"):
        il.make_idempotent(len)  # type: ignore[arg-type]
    with pytest.raises(il.ConfigurationError, match="in reads and in tools"):
        il.IdempotentTools(reads=["a"], tools={"a": {}})
    with pytest.raises(il.ConfigurationError, match="probes"):
        il.IdempotentTools(tools={"a": {"probes": len}})


async def test_tools_of_a_real_mcp_server_are_guarded(storage: il.Storage, tmp_path: Path) -> None:
    """An MCP tool, by LangChain's adapters over stdio, pays once; its answer is given again."""
    server = tmp_path / "server.py"
    server.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from mcp.server.fastmcp import FastMCP\n"
        "app = FastMCP('till')\n"
        "@app.tool()\n"
        "def refund(order: str) -> str:\n"
        "    'Pay.'\n"
        "    with Path(sys.argv[1]).open('a') as file: file.write(order + '\\n')\n"
        "    return 'paid ' + order\n"
        "app.run()\n"
    )
    counter = tmp_path / "paid"
    client = MultiServerMCPClient(
        {
            "till": {
                "transport": "stdio",
                "command": sys.executable,
                "args": [str(server), str(counter)],
            }
        }
    )
    (refund,) = await client.get_tools()
    guarded = il.make_idempotent(refund)
    first, second = await call_twice(storage, guarded, {"order": "o1"})
    assert first == second
    assert "paid o1" in str(first)
    assert counter.read_text().splitlines() == ["o1"]
