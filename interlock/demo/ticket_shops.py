"""A shop for each ticket: every ticket is answered on a copy of the shop in its initial state.

Called by `TicketDesk`. A copy lives until its ticket has ended; then only the hash of its last
state stays, in a small file, so that a later run with the same folder can still tell it.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from interlock.contracts.errors import StorageError
from interlock.demo.shop import Shop
from interlock.demo.tickets import Ticket


class TicketShops:
    """The copies of one folder, and the shop that they are copied from."""

    def __init__(self, template: Shop, *, folder: Path) -> None:
        """Use a folder, which is made when the first copy is.

        Args:
            template: In its initial state; never changed here.
            folder: Holds this desk's copies and nothing else.
        """
        self._template = template
        self._folder = folder
        self._initial_hash = template.derive_hash()

    def derive_source(self, ticket: Ticket) -> str:
        """Return what tells a ticket on this shop from any other, as 64 hex digits."""
        text = f"{self._initial_hash}\n{ticket.model_dump_json()}"
        return hashlib.sha256(text.encode()).hexdigest()

    @asynccontextmanager
    async def open_shop(self, ticket: Ticket, *, is_new: bool) -> AsyncGenerator[Shop]:
        """Lend the ticket's shop: a fresh copy, or the one that an earlier process left.

        Raises:
            StorageError: The copy cannot be written, or is gone.
        """
        shop = await asyncio.to_thread(self._copy if is_new else self._find, ticket)
        try:
            yield shop
        finally:
            shop.close()

    def load_final_hash(self, ticket: Ticket) -> str | None:
        """Return the hash of the shop after a ticket that has ended here; None if none has."""
        try:
            return self._get_hash_path(ticket).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    async def finish(self, ticket: Ticket, shop: Shop) -> str:
        """Keep the hash of the shop's last state, delete the copy, and return the hash.

        Safe to repeat after a crash at any point of it.
        """
        return await asyncio.to_thread(self._finish, ticket, shop)

    def _copy(self, ticket: Ticket) -> Shop:
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as exc:
            raise StorageError(
                f"The folder {self._folder} cannot be made ({exc.strerror}). Use another path."
            ) from exc
        self._get_hash_path(ticket).unlink(missing_ok=True)
        return self._template.copy_to(self._get_shop_path(ticket))

    def _find(self, ticket: Ticket) -> Shop:
        path = self._get_shop_path(ticket)
        if not path.exists():
            raise StorageError(
                f"Ticket {ticket.id!r} was begun, but its shop {path} is gone. Bring the file "
                "back, or start again with another --db."
            )
        return Shop(path)

    def _finish(self, ticket: Ticket, shop: Shop) -> str:
        final_hash = shop.derive_hash()
        shop.close()
        target = self._get_hash_path(ticket)
        partial = target.with_suffix(".partial")
        partial.write_text(final_hash + "\n", encoding="ascii")
        partial.replace(target)
        for suffix in ("", "-wal", "-shm"):
            shop.path.with_name(shop.path.name + suffix).unlink(missing_ok=True)
        return final_hash

    def _get_shop_path(self, ticket: Ticket) -> Path:
        return self._folder / f"{_name_file(ticket.id)}.db"

    def _get_hash_path(self, ticket: Ticket) -> Path:
        return self._folder / f"{_name_file(ticket.id)}.sha256"


def _name_file(ticket_id: str) -> str:
    """Return a file name for any id; different ids have different names."""
    readable = re.sub(r"[^A-Za-z0-9-]", "_", ticket_id)[:60]
    if readable == ticket_id:
        return readable
    return f"{readable}.{hashlib.sha256(ticket_id.encode()).hexdigest()[:12]}"
