"""A chat that a process can be killed in: run by `test_killed_chats.py`, as `python -m`."""

import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

import interlock as il
from tests.integration.scripted_chat import ScriptedChat
from tests.supervisor.routing_chat import assign

CONFIG: Any = {"configurable": {"thread_id": "chat"}}


def build_app(folder: Path, saver: Any) -> Any:
    """Return a supervisor of a worker that writes down each start, and of one that dies at first."""

    def build(name: str) -> Any:
        def work(state: MessagesState) -> Any:
            with (folder / "starts").open("a") as starts:
                starts.write(f"{name}\n")
            if name == "fragile" and not (folder / "died").exists():
                (folder / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return {"messages": [AIMessage(f"{name} is done")]}

        builder = StateGraph(MessagesState)
        builder.add_node("work", work)
        builder.add_edge(START, "work")
        return builder.compile(name=name)

    # Its place in the script is the number of turns that it is shown: it stands for no memory.
    model = ScriptedChat(
        turns=[assign(("sturdy", "first")), assign(("fragile", "second")), "All is done"]
    )
    return il.create_supervisor(
        [build("sturdy"), build("fragile")], model=model, storage=f"sqlite:///{folder}/runs.db"
    ).compile(checkpointer=saver)


def main(folder: Path) -> None:
    """Begin the chat, or go on with it, and print the last message."""
    with sqlite3.connect(folder / "chat.db", check_same_thread=False) as connection:
        saver = SqliteSaver(connection)
        app = build_app(folder, saver)
        is_begun = bool(app.get_state(CONFIG).next)
        given: Any = None if is_begun else {"messages": [("user", "Do both")]}
        result = app.invoke(given, CONFIG, durability="sync")
    connection.close()
    print(result["messages"][-1].text, result["interlock"]["status"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
