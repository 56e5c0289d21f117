"""Sealing every row anew: with a new key, or for the first time.

Goes through every sealed column, a page at a time, each page in a short transaction of its own.
What is done already is told by the key id that each value begins with, so it can be killed at any
moment and be run again. A row that somebody changes meanwhile is left alone and found by the next
pass; the last pass finds nothing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.sealing.envelope import (
    Place,
    Sealer,
    Value,
    derive_bytes_prefix,
    derive_text_prefix,
    find_key_id,
)
from interlock.checkpoints.sealing.sealed_columns import SealedTable, list_sealed_columns
from interlock.checkpoints.sealing.sealing_state import (
    LANE,
    Resealed,
    Sealing,
    load_sealing,
)
from interlock.checkpoints.sealing.unlocking import (
    begin_sealing,
    note_active_key,
    unlock,
)
from interlock.contracts.encryption import Encryption
from interlock.contracts.sealing_errors import SealedStorageError

PAGE: Final = 100
"""Values in one transaction."""

_MOST_PASSES: Final = 20
"""A pass or two are usual: the last one finds nothing."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One sealed column, and how its values are sealed anew."""

    table: SealedTable
    name: str
    sealer: Sealer
    is_plain_allowed: bool

    @property
    def is_text(self) -> bool:
        return self.name in self.table.texts

    def reseal_page(
        self, connection: Connection, after: Sequence[object] | None
    ) -> tuple[int, Sequence[object] | None]:
        """Seal the next values anew; return how many, and the last row's key or None at the end."""
        rows = self._list(connection, after)
        if not rows:
            return 0, None
        split = len(self.table.row_key)
        changes = [
            (self._reseal(row[-1], tuple(row[split:-1])), row[-1], *row[:split]) for row in rows
        ]
        connection.run("begin_resealing")
        connection.run_many(f"reseal_{self.table.name}_{self.name}", changes)
        connection.run("end_resealing")
        return len(rows), rows[-1][:split] if len(rows) == PAGE else None

    def _list(self, connection: Connection, after: Sequence[object] | None) -> list[Any]:
        active = self.sealer.active
        prefix: Value = derive_text_prefix(active) if self.is_text else derive_bytes_prefix(active)
        name = f"{self.table.name}_{self.name}"
        head = (len(prefix), prefix, PAGE)
        if after is None:
            return connection.run(f"list_first_{name}", head).fetchall()
        return connection.run(f"list_next_{name}", (*head, *after)).fetchall()

    def _reseal(self, value: Value, row: tuple[str | int, ...]) -> Value:
        place = Place(self.table.name, self.name, row)
        if not self.is_plain_allowed or find_key_id(value) is not None:
            value = self.sealer.open(value, place)
        return self.sealer.seal(value, place)


async def rotate_keys(database: Database, encryption: Encryption) -> AsyncGenerator[Resealed]:
    """Seal every value with the active key, then forget the other keys' ids.

    Others may use the database meanwhile, if they have all keys. Safe to run again after a crash.

    Args:
        database: Opened, and not wrapped for sealing.
        encryption: All keys that rows are sealed with, and the one to use.

    Raises:
        SealedStorageError: It is not sealed, or with other keys.
        SealedRowError: A value does not open; nothing of its page was changed.
    """
    if await database.read(load_sealing) is None:
        raise SealedStorageError(
            "This database is not sealed, so there is no key to rotate. Seal it with "
            "`interlock keys seal --storage URL`."
        )
    sealer = await unlock(database, encryption)
    async for done in _reseal_all(database, sealer, is_plain_allowed=False):
        yield done
    await database.write(
        lambda connection: _forget_others(connection, encryption.active), lane=LANE
    )


async def seal_database(
    database: Database, encryption: Encryption, *, now: datetime
) -> AsyncGenerator[Resealed]:
    """Turn a plain database into a sealed one; from the first moment on it takes no plain value.

    Nobody else can use the database until it is done. Safe to run again after a crash. Plain values
    are left in free pages, write-ahead logs and backups.

    Args:
        database: Opened, and not wrapped for sealing.
        encryption: The keys.
        now: Leases that are held beyond it refuse the sealing.

    Raises:
        SealedStorageError: It is being sealed with other keys, or a thread is being run.
    """
    sealing = await database.write(
        lambda connection: _begin(connection, encryption, now), lane=LANE
    )
    if sealing.state == "sealing":
        sealer = Sealer(encryption, salt=sealing.salt)
        async for done in _reseal_all(database, sealer, is_plain_allowed=True):
            yield done
        await database.write(_end, lane=LANE)


async def _reseal_all(
    database: Database, sealer: Sealer, *, is_plain_allowed: bool
) -> AsyncIterator[Resealed]:
    """Go through all columns until one pass finds nothing to do.

    Raises:
        SealedStorageError: There is always something to do again.
    """
    for _ in range(_MOST_PASSES):
        is_done = True
        for column in _list_columns(sealer, is_plain_allowed=is_plain_allowed):
            async for count in _reseal_column(database, column):
                is_done = False
                yield Resealed(table=column.table.name, column=column.name, count=count)
        if is_done:
            return
    raise SealedStorageError(
        f"Values are still being written with another key than {sealer.active!r}. Start every "
        "process that uses the database with that key first, and run this again."
    )


async def _reseal_column(database: Database, column: _Column) -> AsyncIterator[int]:
    after: Sequence[object] | None = None
    while True:
        where = after
        count, after = await database.write(
            lambda connection: column.reseal_page(connection, where),  # noqa: B023 - awaited here
            lane=LANE,
        )
        if count:
            yield count
        if after is None:
            return


def _list_columns(sealer: Sealer, *, is_plain_allowed: bool) -> Iterator[_Column]:
    for table, name in list_sealed_columns():
        yield _Column(table, name, sealer, is_plain_allowed)


def _begin(connection: Connection, encryption: Encryption, now: datetime) -> Sealing:
    sealing = load_sealing(connection)
    if sealing is None:
        held = connection.run("find_held_thread", (now.timestamp(),)).fetchone()
        if held is not None:
            raise SealedStorageError(
                f"Thread {held[0]!r} is being run by {held[1]}, so the database was not sealed. "
                "Nothing was changed. Stop every process that uses it, and seal it then."
            )
        return begin_sealing(connection, encryption, state="sealing")
    return note_active_key(connection, sealing, encryption)


def _end(connection: Connection) -> None:
    connection.run("end_sealing")


def _forget_others(connection: Connection, active: str) -> None:
    connection.run("forget_sealing_keys", (active,))
