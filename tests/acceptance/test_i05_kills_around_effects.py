"""I5: a real process is killed around every ledger write and every effect of the retail desk.

Expected states come from the benchmark; effects are counted by the shop, outside the ledger.
"""

import json
import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from interlock.demo.shop import TOOLS, Shop
from interlock.demo.tickets import Ticket
from tests.acceptance.retail_writes import BENCHMARK, CALL, load_benchmark
from tests.acceptance.zygote import Zygote, open_zygotes, run_all

PROCESSES = 3
WRITING = [
    ticket
    for ticket in load_benchmark().tasks
    if any(TOOLS[action.name].effect == "write" for action in ticket.actions)
]


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return processes that fork quickly."""
    with open_zygotes(PROCESSES) as opened:
        yield opened


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return a shop in its initial state, to be copied and not changed."""
    path = tmp_path_factory.mktemp("template") / "shop.db"
    with Shop.create(path, data=BENCHMARK / "retail_db") as shop:
        yield shop


def prepare(template: Shop, directory: Path) -> Path:
    """Return a folder with a shop of its own."""
    directory.mkdir()
    template.copy_to(directory / "shop.db").close()
    return directory


def read(directory: Path) -> dict[str, Any]:
    """Return what a process that ended wrote down."""
    said: dict[str, Any] = json.loads((directory / "result").read_text())
    return said


def require_right(directory: Path, ticket: Ticket, *, effects: int) -> None:
    """I5: the state is the recorded one, and each effect was made once."""
    said = read(directory)
    assert (said["status"], said["hash"]) == ("completed", ticket.final_db_sha256)
    assert set(said["receipts"].values()) <= {1}
    assert len(said["receipts"]) == effects
    assert set(said["effects"].values()) == {"done"}
    assert said["receipts"].keys() <= said["effects"].keys()


def kill_everywhere(template: Shop, folder: Path, ticket: Ticket, zygote: Zygote) -> int:
    """Kill a ticket's process at each moment, resume it, and return how many moments there were."""
    whole = prepare(template, folder / "whole")
    assert zygote.run(CALL, directory=str(whole), ticket_id=ticket.id) == 0
    said = read(whole)
    effects = len(said["receipts"])
    require_right(whole, ticket, effects=effects)
    for fatal in range(1, said["moments"] + 1):
        directory = prepare(template, folder / str(fatal))
        arguments = {"directory": str(directory), "ticket_id": ticket.id}
        assert zygote.run(CALL, **arguments, fatal=fatal) == -signal.SIGKILL
        assert zygote.run(CALL, **arguments) == 0
        require_right(directory, ticket, effects=effects)
    return int(said["moments"])


def run_tickets(
    zygotes: Sequence[Zygote], template: Shop, folder: Path, tickets: Sequence[Ticket]
) -> int:
    """Kill everywhere in each ticket; return how many kills that were."""
    for ticket in tickets:
        (folder / ticket.id).mkdir()
    cases = [partial(kill_everywhere, template, folder / ticket.id, ticket) for ticket in tickets]
    return sum(run_all(zygotes, cases))


def test_i05_killed_around_every_effect(
    zygotes: Sequence[Zygote], template: Shop, tmp_path: Path
) -> None:
    """I5: tickets with one and two writes, killed at each of six moments of each write."""
    by_writes = {
        sum(TOOLS[action.name].effect == "write" for action in ticket.actions): ticket
        for ticket in WRITING
    }
    kills = run_tickets(zygotes, template, tmp_path, [by_writes[count] for count in (1, 2)])
    assert kills == 6 * (1 + 2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_i05_killed_around_every_effect_of_every_ticket(
    zygotes: Sequence[Zygote], template: Shop, tmp_path: Path
) -> None:
    """I5: the same for every ticket that writes."""
    kills = run_tickets(zygotes, template, tmp_path, WRITING)
    assert kills == 6 * 178
