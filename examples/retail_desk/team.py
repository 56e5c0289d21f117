"""The retail desk as a team over one shop, for the command line and for those who compile it.

`interlock run examples.retail_desk.team:build_team "Answer ticket retail-test-0" --thread t0`
"""

from pathlib import Path

import interlock as il
from interlock.demo.desk import build_workers
from interlock.demo.packaged_data import DATA_FOLDER, TICKETS_FILE
from interlock.demo.shop import Shop
from interlock.demo.ticket_planner import TicketPlanner
from interlock.demo.tickets import load_tickets

SHOP_FILE = Path("retail_shop.db")
"""Where the team's shop lies: in the working folder, so that a resumed run finds it again."""


def build_team(shop_file: Path = SHOP_FILE) -> il.Orchestrator:
    """Return the team that answers the packaged tickets; a goal names one by its id.

    Makes the shop's database if it is not there. All runs share it: a ticket that was answered
    once is answered otherwise the second time. Delete the file to begin anew.
    """
    return il.Orchestrator(workers=_open_workers(shop_file), planner=_build_planner())


def build_graph(shop_file: Path = SHOP_FILE) -> object:
    """Return the same team's uncompiled run graph."""
    return il.build_run_graph(workers=_open_workers(shop_file), planner=_build_planner())


def _open_workers(shop_file: Path) -> list[il.Worker]:
    exists = shop_file.exists()
    return build_workers(Shop(shop_file) if exists else Shop.create(shop_file, data=DATA_FOLDER))


def _build_planner() -> TicketPlanner:
    return TicketPlanner(load_tickets(TICKETS_FILE).tasks)
