"""A chat that a process can be killed in: run by `test_killed_chats.py`, as `python -m`."""

import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

import interlock as il
from tests.integration.scripted_chat import ScriptedChat
from tests.supervisor.routing_chat import assign

CONFIG: Any = {"configurable": {"thread_id": "chat"}}


def die_once(folder: Path) -> None:
    """Kill this process, unless one was killed before."""
    if not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)


class DyingChat(ScriptedChat):
    """Dies in the middle of its second turn."""

    folder: Path

    def _generate(self, messages: list[Any], *given: Any, **kwargs: Any) -> ChatResult:
        if sum(isinstance(message, AIMessage) for message in messages) == 1:
            die_once(self.folder)
        return super()._generate(messages, *given, **kwargs)


def build_app(folder: Path, saver: Any, *, url: str, dying: str) -> Any:
    """Return a supervisor of two workers that write down each start.

    Args:
        folder: Where they write.
        saver: Of the conversation.
        url: Of the runs.
        dying: Who dies at first: the worker `fragile`, or the `model`.
    """

    def build(name: str) -> Any:
        def work(state: MessagesState) -> Any:
            with (folder / "starts").open("a") as starts:
                starts.write(f"{name}\n")
            if name == dying:
                die_once(folder)
            return {"messages": [AIMessage(f"{name} is done")]}

        builder = StateGraph(MessagesState)
        builder.add_node("work", work)
        builder.add_edge(START, "work")
        return builder.compile(name=name)

    # Its place in the script is the number of turns that it is shown: it stands for no memory.
    turns = [assign(("sturdy", "first")), assign(("fragile", "second")), "All is done"]
    script = ScriptedChat(turns=turns)
    model = DyingChat(turns=turns, folder=folder) if dying == "model" else script
    return il.create_supervisor(
        [build("sturdy"), build("fragile")], model=model, storage=url
    ).compile(checkpointer=saver)


@contextmanager
def open_saver(folder: Path, url: str) -> Iterator[Any]:
    """Open the conversation's checkpoints: in a file, or in the database of the runs."""
    if url.startswith("postgresql"):
        with PostgresSaver.from_conn_string(url.partition("?")[0]) as saver:
            saver.setup()
            yield saver
        return
    with sqlite3.connect(folder / "chat.db", check_same_thread=False) as connection:
        yield SqliteSaver(connection)
    connection.close()


def main(folder: Path, url: str, dying: str) -> None:
    """Begin the chat, or go on with it, and print the last message."""
    with open_saver(folder, url) as saver:
        app = build_app(folder, saver, url=url, dying=dying)
        is_begun = bool(app.get_state(CONFIG).next)
        given: Any = None if is_begun else {"messages": [("user", "Do both")]}
        result = app.invoke(given, CONFIG, durability="sync")
    print(result["messages"][-1].text, result["interlock"]["status"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
