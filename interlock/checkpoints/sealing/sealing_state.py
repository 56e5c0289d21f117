"""What a database says of its own sealing; looked at whenever one is opened.

A row of `sealing` says that a database is sealed and holds the salt of its keys; `sealing_keys`
holds the id of every key that rows may be sealed with, each with a proof by which a wrong key is
told at once, and not first at some row. Nothing here needs a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.contracts.sealing_errors import SealedStorageError

SealState: TypeAlias = Literal["sealing", "sealed"]
LANE: Final = "interlock/sealing"
"""The lane of all writes that are about the sealing itself."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a sealed database says of itself.

    Attributes:
        salt: Of its keys.
        state: `sealing` while a plain database is being turned into a sealed one.
        proofs: By the id of each key that rows may be sealed with.
    """

    salt: bytes
    state: SealState
    proofs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """How far it has come.

    Attributes:
        table: The table.
        column: The column.
        count: How many of its values were sealed in this page.
    """

    table: str
    column: str
    count: int


def load_sealing(connection: Connection) -> Sealing | None:
    """Return what a database says of itself; None if it is plain."""
    row = connection.run("load_sealing").fetchone()
    if row is None:
        return None
    proofs = {str(key_id): bytes(proof) for key_id, proof in connection.run("list_sealing_keys")}
    return Sealing(bytes(row[0]), row[1], proofs)


async def require_plain(database: Database) -> None:
    """Refuse a sealed database where no keys were given.

    Raises:
        SealedStorageError: It is sealed.
    """
    sealing = await database.read(load_sealing)
    if sealing is not None:
        raise SealedStorageError(
            f"This database is sealed (encryption keys: {list_ids(sealing.proofs)}), and no keys were "
            "given. Nothing was changed. Open it with encryption=il.Encryption(...); commands take "
            "the keys from INTERLOCK_ENCRYPTION_KEYS."
        )


def list_ids(ids: Mapping[str, object]) -> str:
    """Return key ids as words."""
    return ", ".join(sorted(ids)) or "none"
