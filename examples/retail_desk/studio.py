"""The retail desk for `langgraph dev`: the packaged tickets over a shop of its own.

The shop and what the team stores lie beside the dev server's own files and live as long as
they do: threads go on after a restart of the server. Delete the folder to begin anew.
"""

import asyncio
import threading
from pathlib import Path

from langgraph.graph import StateGraph

import interlock as il
from interlock.demo.desk import build_workers
from interlock.demo.packaged_data import DATA_FOLDER, TICKETS_FILE
from interlock.demo.shop import Shop
from interlock.demo.ticket_planner import TicketPlanner
from interlock.demo.tickets import load_tickets

FOLDER = Path(".langgraph_api")


class Desk:
    """The desk's run graph, built once in this process."""

    def __init__(self, folder: Path) -> None:
        """Keep where the files go; nothing is opened."""
        self._folder = folder
        self._lock = threading.Lock()
        self._graph: StateGraph | None = None

    def open(self) -> StateGraph:
        """Return the graph; the first call reads the tickets and opens or makes the shop."""
        with self._lock:
            if self._graph is None:
                self._graph = self._build()
            return self._graph

    def _build(self) -> StateGraph:
        self._folder.mkdir(exist_ok=True)
        path = self._folder / "shop.db"
        shop = Shop(path) if path.exists() else Shop.create(path, data=DATA_FOLDER)
        return il.build_run_graph(
            workers=build_workers(shop),
            planner=TicketPlanner(load_tickets(TICKETS_FILE).tasks),
            storage=f"sqlite:///{self._folder / 'retail_desk.db'}",
        )


DESK = Desk(FOLDER)


async def make_graph() -> StateGraph:
    """Return the run graph; the dev server asks for it at every request, in its event loop."""
    return await asyncio.to_thread(DESK.open)
