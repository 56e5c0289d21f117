"""Probes that look for other steps' data from inside a worker, with all that LangGraph lends it."""

import re
from collections.abc import Iterable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.config import get_config, get_store
from langgraph.runtime import get_runtime

from interlock.nodes.steps.scoped_saver import ForeignNamespaceError
from tests.invariants.reachable import find_texts

CANARY = re.compile(r"canary-[a-z]+-[a-z]+")
SAVER = "__pregel_checkpointer"


def find_canaries(*roots: Any) -> set[str]:
    """Return the canaries in all texts that the roots lead to."""
    return {found for text in find_texts(*roots) for found in CANARY.findall(text)}


@dataclass
class Probe:
    """Looks around from inside one step's worker.

    Attributes:
        places: Thread and namespace of every checkpoint that a look tries to read.
        seen: All canaries found.
        looks: How often it looked.
        refusals: How often the lent saver refused.
    """

    places: list[tuple[str, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    looks: int = 0
    refusals: int = 0

    def look(self, shown: Any = None) -> None:
        """Look at what was shown, at the config, the runtime, the context variables, the saver."""
        self.looks += 1
        config, runtime = get_config(), get_runtime()
        assert get_store() is None
        assert runtime.previous is None
        self._note(shown, config, runtime, dict(copy_context()))
        saver = config["configurable"][SAVER]
        for place in self._list_places():
            self._try(lambda place=place: [saver.get_tuple(place)])
            self._try(lambda place=place: list(saver.list(place)))
            self._require_read_only(saver, place)

    async def alook(self, shown: Any = None) -> None:
        """Look from a coroutine, through the saver's async methods too."""
        self.look(shown)
        saver = get_config()["configurable"][SAVER]
        for place in self._list_places():
            try:
                self._note(await saver.aget_tuple(place))
                self._note([found async for found in saver.alist(place)])
            except ForeignNamespaceError:
                self.refusals += 1
        with pytest.raises(NotImplementedError):
            await saver.adelete_thread("t")

    def _list_places(self) -> Iterable[Any]:
        yield None
        for thread_id, namespace in self.places:
            yield {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace}}
            yield {"configurable": {"thread_id": thread_id}}

    def _try(self, read: Any) -> None:
        try:
            self._note(read())
        except ForeignNamespaceError:
            self.refusals += 1

    def _require_read_only(self, saver: Any, place: Any) -> None:
        if place is not None and place["configurable"].get("checkpoint_ns", "") == "":
            with pytest.raises(ForeignNamespaceError):
                saver.put(place, empty_checkpoint(), {}, {})
            with pytest.raises(ForeignNamespaceError):
                saver.put_writes(place, [("goal", "spoilt")], "task")

    def _note(self, *roots: Any) -> None:
        self.seen |= find_canaries(*roots)
