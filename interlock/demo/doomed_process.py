"""A process that runs one ticket of the demonstration and never gets past one step of it.

`python -m interlock.demo.doomed_process FOLDER TICKET`, started by `process_kill`, which kills
it there. If the starter ends first, in whatever way, this process ends with it.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from interlock.contracts.worker import Worker
from interlock.demo.cases import CASES, Case
from interlock.demo.demo_folder import DemoFolder
from interlock.demo.faults import hold_step
from interlock.demo.shop import Shop
from interlock.demo.tickets import Ticket

_STARTER_ENDED: Final = 3


def main(folder: str, ticket_id: str) -> None:
    """Run the ticket until this process is killed."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    (case,) = [case for case in CASES if case.ticket_id == ticket_id]
    asyncio.run(_run(DemoFolder(Path(folder)), case))


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os._exit(_STARTER_ENDED)


async def _run(folder: DemoFolder, case: Case) -> None:
    def build(ticket: Ticket, shop: Shop) -> Sequence[Worker]:
        return folder.watch(hold_step(folder.build_team(shop), case.step_id), ticket)

    async with folder.open_storage() as storage:
        with folder.open_desk(storage, build=build) as desk:
            await desk.answer(folder.tickets[case.ticket_id])


if __name__ == "__main__":
    main(*sys.argv[1:])
