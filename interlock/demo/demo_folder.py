"""The folder of one demonstration: its storage, its shops, its tickets and its log of starts.

Every process of a demonstration opens the same folder. Called by the demonstration and by the
process that is to be killed.
"""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from interlock.checkpoints import open_storage
from interlock.contracts.errors import ConfigurationError, StorageError
from interlock.contracts.policy import Retry, RunPolicy
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.demo.desk import build_workers
from interlock.demo.house_rules import HouseRules, build_cashier
from interlock.demo.packaged_data import DATA_FOLDER, TICKETS_FILE
from interlock.demo.shop import Shop
from interlock.demo.start_log import Start, StartLog
from interlock.demo.ticket_desk import BuildWorkers, TicketDesk
from interlock.demo.ticket_planner import TicketPlanner
from interlock.demo.ticket_shops import TicketShops
from interlock.demo.tickets import Ticket, load_tickets

_POLICY: Final = RunPolicy(retry=Retry(max_attempts=3, backoff=timedelta(milliseconds=200)))
_STORAGE, _TEMPLATE, _SHOPS, _STARTS = "desk.db", "template.db", "shops", "starts.jsonl"


class DemoFolder:
    """One demonstration's files."""

    def __init__(self, path: Path) -> None:
        """Use a folder; nothing is made yet."""
        self.path = path.absolute()
        self.tickets = load_tickets(TICKETS_FILE).index_tickets()
        self.starts_path = self.path / _STARTS
        self._starts = StartLog(self.starts_path)

    @property
    def storage_url(self) -> str:
        """The URL of the storage that holds every thread."""
        return f"sqlite:///{quote(str(self.path / _STORAGE))}"

    def fill(self) -> None:
        """Make the folder if need be, and the shop that every ticket's shop is copied from.

        Raises:
            ConfigurationError: It holds a demonstration already.
            StorageError: It cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StorageError(
                f"The folder {self.path} cannot be made ({exc.strerror}). Use another path."
            ) from exc
        if (self.path / _TEMPLATE).exists() or (self.path / _STORAGE).exists():
            raise ConfigurationError(
                f"The folder {self.path} holds a demonstration already, and was left as it is. "
                "Name a new folder, or delete this one."
            )
        Shop.create(self.path / _TEMPLATE, data=DATA_FOLDER).close()

    @staticmethod
    def build_team(shop: Shop) -> list[Worker]:
        """Return the desk's workers and the cashier over one ticket's shop."""
        return [*build_workers(shop), build_cashier(shop)]

    def watch(self, workers: Sequence[Worker], ticket: Ticket) -> list[Worker]:
        """Return workers whose starts on a ticket are noted."""
        return self._starts.watch(workers, ticket.id)

    def load_starts(self, ticket_id: str) -> list[Start]:
        """Return the starts of workers on a ticket, in all processes."""
        return self._starts.load(ticket_id)

    @asynccontextmanager
    async def open_storage(self) -> AsyncGenerator[Storage]:
        """Open the storage."""
        async with open_storage(self.storage_url) as storage:
            yield storage

    @contextmanager
    def open_desk(self, storage: Storage, *, build: BuildWorkers) -> Generator[TicketDesk]:
        """Open a desk under the house rules.

        Args:
            storage: Opened by `open_storage`.
            build: Returns the workers of one ticket.
        """
        with Shop(self.path / _TEMPLATE) as template:
            yield TicketDesk(
                storage,
                TicketShops(template, folder=self.path / _SHOPS),
                planner=HouseRules(TicketPlanner(self.tickets.values())),
                policy=_POLICY,
                build=build,
            )
