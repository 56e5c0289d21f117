"""One thread on a dev server, driven and read as Studio does it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self

from langgraph_sdk.client import SyncLangGraphClient

import interlock as il
from tests.integration.studio.conftest import DevServer

State = Mapping[str, Any]


class StudioThread:
    """A thread of one graph."""

    def __init__(self, server: DevServer, graph: str) -> None:
        """Make a thread on the server."""
        self.server = server
        self.graph = graph
        self.id: str = self.client.threads.create()["thread_id"]

    @property
    def client(self) -> SyncLangGraphClient:
        """The server's client."""
        return self.server.client

    def run(self, goal: str | None, **options: Any) -> Self:
        """Start a run, or go on without a goal; return when it has stopped."""
        given = {"goal": goal} if goal else None
        seen = self.stream(input=given, stream_mode="updates", **options)
        assert [data for mode, _, data in seen if mode == "error"] == []
        return self

    def resume(self, value: Any) -> Self:
        """Resume with any value."""
        return self.run(None, command={"resume": value})

    def stream(self, **options: Any) -> Sequence[tuple[str, tuple[str, ...], Any]]:
        """Run and return what streams: mode, namespace without its ids, data."""
        parts = self.client.runs.stream(self.id, self.graph, stream_subgraphs=True, **options)
        seen = []
        for part in parts:
            mode, *namespace = part.event.split("|")
            seen.append((mode, tuple(one.rsplit(":", 1)[0] for one in namespace), part.data))
        return seen

    def start_and_leave(self, goal: str, *, when: Any) -> str:
        """Start a run, return its id once a worker has written this, and let it run."""
        parts = self.client.runs.stream(
            self.id,
            self.graph,
            input={"goal": goal},
            stream_mode="custom",
            stream_subgraphs=True,
            on_disconnect="continue",
        )
        run_id = next(parts).data["run_id"]
        next(part for part in parts if part.data == when)
        return run_id

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.client.threads.get_state(self.id)

    def read_at(self, checkpoint_id: str) -> State:
        """Return the state at a checkpoint."""
        checkpoint = {"thread_id": self.id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
        return self.client.threads.get_state(self.id, checkpoint=checkpoint)

    @property
    def history(self) -> Sequence[State]:
        """Its checkpoints, oldest first."""
        return self.client.threads.get_history(self.id, limit=100)[::-1]

    def find_checkpoint(self, node: str) -> str:
        """Return the first checkpoint at which a node is next."""
        ready = (state for state in self.history if state["next"] == [node])
        return next(ready)["checkpoint"]["checkpoint_id"]

    def edit(self, checkpoint_id: str, values: Mapping[str, Any]) -> None:
        """Change the state at a checkpoint, which makes a fork there."""
        self.client.threads.update_state(self.id, values, checkpoint_id=checkpoint_id)

    @property
    def values(self) -> State:
        """The run's state."""
        return self.state["values"]

    @property
    def outputs(self) -> State:
        """What the last steps gave."""
        return self.values["result"]["outputs"]

    @property
    def interrupts(self) -> Sequence[State]:
        """What is asked now."""
        return self.state["interrupts"]

    @property
    def asked(self) -> tuple[str, State]:
        """The one interrupt's id and the request that it carries."""
        [item] = self.interrupts
        return item["id"], item["value"]

    @property
    def question(self) -> State:
        """The one question that is asked now."""
        [question] = self.asked[1]["questions"]
        return question

    def answer(self, answer: Mapping[str, Any]) -> Self:
        """Answer the one question by the ids of the interrupt and of the question."""
        return self.resume({self.asked[0]: {"answers": {self.question["id"]: answer}}})

    def count_briefs(self) -> Mapping[str, int]:
        """Return how many briefs the journal holds, by step."""
        url = f"sqlite:///{self.server.folder / '.langgraph_api' / self.graph}.db"
        counts: dict[str, int] = {}
        for handoff in asyncio.run(_load_handoffs(url, self.id)):
            if handoff.kind == "brief":
                counts[handoff.step_id] = counts.get(handoff.step_id, 0) + 1
        return counts


async def _load_handoffs(url: str, thread_id: str) -> Sequence[il.Handoff]:
    async with il.open_storage(url) as storage:
        return await storage.load_handoffs(thread_id)
