"""Lists and dicts that grow are stored as what was added, and read back as if they were whole."""

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from interlock.checkpoints import SqlStorage
from interlock.checkpoints.growing_values import GrowingValues
from interlock.contracts.errors import StorageCorruptError

TEXT = 400
"""Characters of a small item: three of them are enough for what follows to be a tail."""


class State(TypedDict):
    items: Annotated[list[Any], operator.add]


def build_appending(steps: int, give: Callable[[int], Any]) -> StateGraph:
    """Return a graph that appends one item a superstep, until there are that many."""

    def append(state: State) -> dict[str, Any]:
        return {"items": [give(len(state["items"]))]}

    graph = StateGraph(State)
    graph.add_node("append", append)
    graph.add_edge(START, "append")
    graph.add_conditional_edges(
        "append", lambda state: "append" if len(state["items"]) < steps else END, ["append", END]
    )
    return graph


async def measure(storage: SqlStorage, thread_id: str) -> int:
    """Return how many bytes of channel values, writes and blobs a thread has."""
    statements = [
        "SELECT coalesce(sum(length(data)), 0) FROM channel_values WHERE thread_id = ?1",
        "SELECT coalesce(sum(length(data)), 0) FROM task_writes WHERE thread_id = ?1",
        "SELECT coalesce(sum(length(data)), 0) FROM blobs WHERE thread_id = ?1",
    ]

    def operation(connection: Any) -> int:
        return sum(
            int(connection.execute(statement, (thread_id,)).fetchone()[0])
            for statement in statements
        )

    return await storage._database.read(operation)


@pytest.mark.parametrize(
    "give",
    [
        lambda number: f"{number:04d}" + "x" * 1020,
        lambda number: {"number": number, "text": "y" * 1000},
    ],
    ids=["texts", "dicts"],
)
async def test_a_list_that_grows_costs_as_much_a_superstep_however_long_it_is(
    storage: SqlStorage, give: Callable[[int], Any]
) -> None:
    """Eight times the supersteps take eight times the bytes, and each item is stored once."""
    sizes = {}
    for steps in (25, 200):
        config: Any = {"configurable": {"thread_id": f"t{steps}"}, "recursion_limit": 1000}
        graph = build_appending(steps, give).compile(checkpointer=storage.checkpointer)
        await graph.ainvoke({"items": []}, config, durability="sync")
        sizes[steps] = await measure(storage, f"t{steps}") / steps
        found = (await graph.aget_state(config)).values["items"]
        assert found == [give(number) for number in range(steps)]
    assert sizes[200] < 1.05 * sizes[25]
    assert sizes[200] < 1500


async def test_another_process_goes_on_where_the_list_ended(storage: SqlStorage) -> None:
    """After a resume the list is not stored whole again: what was read is known."""
    config: Any = {"configurable": {"thread_id": "t"}, "recursion_limit": 1000}

    def give(number: int) -> str:
        return f"{number:04d}" + "x" * 1020

    await (
        build_appending(100, give)
        .compile(checkpointer=storage.checkpointer)
        .ainvoke({"items": []}, config, durability="sync")
    )
    before = await measure(storage, "t")
    forget_all(storage)
    longer = build_appending(105, give).compile(checkpointer=storage.checkpointer)
    await longer.ainvoke({"items": []}, config, durability="sync")
    assert await measure(storage, "t") - before < 5 * 2000


def forget_all(storage: SqlStorage) -> None:
    """Forget what this process knows of stored values, as a fresh one does."""
    storage.checkpointer._growing = GrowingValues()


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


async def test_messages_that_are_edited_or_removed_are_stored_as_they_are(
    storage: SqlStorage,
) -> None:
    """A change of what is there already is no growth; all past states stay as they were."""
    said = [HumanMessage(f"{n} " + "x" * TEXT, id=f"m{n}") for n in range(6)]
    graph = StateGraph(Chat)
    graph.add_node("pass", lambda state: {})
    graph.add_edge(START, "pass")
    compiled = graph.compile(checkpointer=storage.checkpointer)
    config: Any = {"configurable": {"thread_id": "t"}}
    for message in said:
        await compiled.ainvoke({"messages": [message]}, config, durability="sync")
    changes = [AIMessage("instead", id="m1"), RemoveMessage(id="m0"), AIMessage("more", id="m9")]
    for change in changes:
        await compiled.ainvoke({"messages": [change]}, config, durability="sync")
    found = (await compiled.aget_state(config)).values["messages"]
    assert found == [AIMessage("instead", id="m1"), *said[2:], AIMessage("more", id="m9")]
    history = [
        snapshot.values["messages"]
        async for snapshot in compiled.aget_state_history(config)
        if snapshot.metadata["source"] == "loop" and not snapshot.next
    ]
    assert history[3:] == [said[:count] for count in range(6, 0, -1)]


@dataclass
class Play:
    """Checkpoints put, deleted and copied at random, beside a model that keeps each value whole.

    Attributes:
        storage: The storage.
        random: Draws what is done.
        thread_id: The thread.
        steadiness: The share of items that cannot be changed in place.
        expected: The value of every checkpoint that must be readable, by its id.
        held: What a graph in this process would hold: revived values, changed in place at times.
        versions: The version of every checkpoint's value.
        runs: Which run wrote it.
    """

    storage: SqlStorage
    random: Random
    thread_id: str
    steadiness: float = 0.5
    expected: dict[str, Any] = field(default_factory=dict)
    held: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    count: int = 0

    async def put(self, value: Any, parent: str | None) -> None:
        """Put a checkpoint that has changed the value."""
        self.count += 1
        name = f"{self.count:06d}"
        saver = self.storage.checkpointer
        version = saver.get_next_version(self.versions.get(parent or ""), None)
        checkpoint = empty_checkpoint()
        checkpoint.update(
            {"id": name, "channel_values": {"v": value}, "channel_versions": {"v": version}}
        )
        run = self.random.choice("abc")
        await saver.aput(self.config(parent), checkpoint, {"run_id": run}, {"v": version})
        self.expected[name] = copy.deepcopy(value)
        self.held[name] = value
        self.versions[name] = version
        self.runs[name] = run

    def config(self, name: str | None = None) -> Any:
        """Return the config of a checkpoint, or of the newest."""
        chosen = {"checkpoint_id": name} if name else {}
        return {"configurable": {"thread_id": self.thread_id, "checkpoint_ns": "", **chosen}}

    async def step(self) -> None:
        """Do something."""
        await self.random.choices(
            [self.grow, self.change, self.reopen, self.load, self.prune, self.delete],
            weights=[60, 12, 4, 8, 2, 2],
        )[0]()

    async def grow(self) -> None:
        """Add items to the newest value, at times to an older one: a fork."""
        parent = self.draw(newest=self.random.random() < 0.8)
        value = self.held.get(parent, [] if self.random.random() < 0.7 else {})
        added = [self.make_item() for _ in range(self.random.choice([0, 1, 1, 1, 2, 5]))]
        if isinstance(value, dict):
            await self.put({**value, **{f"k{id(i)}": i for i in added}}, parent)
        else:
            await self.put([*value, *added], parent)

    async def change(self) -> None:
        """Change a value in another way: another item, fewer of them, in place."""
        parent = self.draw(newest=True)
        value = self.held.get(parent)
        if not value:
            return
        items = list(value.items()) if isinstance(value, dict) else list(value)
        where = self.random.randrange(len(items))
        kind = self.random.choice(["replace", "cut", "in place", "turn"])
        if isinstance(value, dict):
            await self.put(dict(items[where:] + items[:where]), parent)
        elif kind == "replace":
            await self.put([*items[:where], self.make_item(), *items[where + 1 :]], parent)
        elif kind == "cut":
            await self.put(items[where:], parent)
        elif kind == "turn":
            await self.put(items[::-1], parent)
        else:
            for item in items:
                if isinstance(item, dict):
                    item["changed"] = self.count
            await self.put([*items, self.make_item()], parent)

    async def reopen(self) -> None:
        """Go on as another process: nothing is known, and all values are revived."""
        forget_all(self.storage)
        for name in self.held:
            self.held[name] = copy.deepcopy(self.expected[name])

    async def load(self) -> None:
        """Read the newest value and go on with what was read."""
        newest = self.draw(newest=True)
        if newest is not None:
            found = await self.storage.checkpointer.aget_tuple(self.config())
            assert found.checkpoint["id"] == newest
            self.held[newest] = found.checkpoint["channel_values"]["v"]

    async def prune(self) -> None:
        """Keep the newest checkpoint only."""
        await self.storage.checkpointer.aprune([self.thread_id])
        self.keep([name for name in self.expected if name == max(self.expected)])

    async def delete(self) -> None:
        """Delete what one run wrote."""
        run = self.random.choice("abc")
        await self.storage.checkpointer.adelete_for_runs([run])
        self.keep([name for name in self.expected if self.runs[name] != run])

    def keep(self, names: list[str]) -> None:
        """Expect only these checkpoints to be there."""
        self.expected = {name: self.expected[name] for name in names}
        self.held = {name: self.held[name] for name in names}

    def draw(self, *, newest: bool) -> str | None:
        """Return a checkpoint that is there, or None if there is none."""
        if not self.expected:
            return None
        return max(self.expected) if newest else self.random.choice(sorted(self.expected))

    def make_item(self) -> Any:
        """Return an item: small, big, or one that can be changed in place."""
        number = self.random.randrange(10**6)
        unchanging = [f"{number} " + "x" * TEXT, number, "w" * 5000, None]
        changing = [{"n": number, "t": "z" * TEXT}]
        return self.random.choice(
            unchanging if self.random.random() < self.steadiness else changing
        )

    async def check(self, thread_id: str) -> None:
        """Compare every checkpoint of a thread with the model, read alone and in a list."""
        saver = self.storage.checkpointer
        listing: Any = {"configurable": {"thread_id": thread_id}}
        listed = {
            one.checkpoint["id"]: one.checkpoint["channel_values"]["v"]
            async for one in saver.alist(listing)
        }
        assert list(map(repr, listed.values())) == [
            repr(self.expected[name]) for name in sorted(self.expected, reverse=True)
        ]
        for name, value in self.expected.items():
            config: Any = {"configurable": {"thread_id": thread_id, "checkpoint_id": name}}
            found = await saver.aget_tuple(config)
            assert repr(found.checkpoint["channel_values"]["v"]) == repr(value)


@pytest.mark.parametrize("seed", range(9))
async def test_whatever_happens_every_checkpoint_reads_as_it_was_put(
    storage: SqlStorage, seed: int
) -> None:
    """Growth, forks, changes in place, other processes, pruning, deleting and copying agree."""
    play = Play(storage, Random(seed), f"t{seed}", steadiness=(0.5, 1, 0.95)[seed % 3])
    for _ in range(60):
        await play.step()
    await play.check(play.thread_id)
    await storage.checkpointer.acopy_thread(play.thread_id, "copy")
    await play.check("copy")
    await storage.checkpointer.adelete_thread(play.thread_id)
    await play.check("copy")


async def test_a_list_whose_earlier_part_was_deleted_meanwhile_is_stored_whole(
    storage: SqlStorage,
) -> None:
    """Another process may delete a thread between two supersteps; what is put then can be read."""
    play = Play(storage, Random(0), "t")
    value = ["x" * TEXT] * 5
    await play.put(value, None)
    await storage._database.write(
        lambda connection: connection.run("delete_thread_channel_values", ("t",)), lane="t"
    )
    await play.put([*value, "more"], "000001")
    found = await storage.checkpointer.aget_tuple(play.config("000002"))
    assert found.checkpoint["channel_values"]["v"] == [*value, "more"]


async def test_a_chain_with_a_hole_is_refused(storage: SqlStorage) -> None:
    """A database that lost a part of a value says so, and gives no shorter list."""
    play = Play(storage, Random(0), "t")
    values = [["x" * TEXT] * count for count in (5, 6, 7)]
    parent = None
    for value in values:
        await play.put(value, parent)
        parent = f"{play.count:06d}"
    hole = ("t", "", "v", play.versions["000002"])
    await storage._database.write(
        lambda connection: connection.run("delete_channel_value", hole), lane="t"
    )
    with pytest.raises(StorageCorruptError, match="'v' of thread 't' cannot be read"):
        await storage.checkpointer.aget_tuple(play.config("000003"))
