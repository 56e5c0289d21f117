"""Is a database sealed, and with which keys? Asked once, when it is opened.

A row of `sealing` says that a database is sealed and holds the salt of its keys; `sealing_keys`
holds the id of every key that rows may be sealed with, each with a proof by which a wrong key is
told at once, and not first at some row.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final, Literal, TypeAlias

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.sealing.envelope import Sealer, derive_proof
from interlock.checkpoints.sealing.sealed_columns import SEALED
from interlock.contracts.encryption import Encryption
from interlock.contracts.sealing_errors import SealedStorageError

SealState: TypeAlias = Literal["sealing", "sealed"]
LANE: Final = "interlock/sealing"
"""The lane of all writes that are about the sealing itself."""

_SALT_BYTES: Final = 32


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
            f"This database is sealed (encryption keys: {_list(sealing.proofs)}), and no keys were "
            "given. Nothing was changed. Open it with encryption=il.Encryption(...); commands take "
            "the keys from INTERLOCK_ENCRYPTION_KEYS."
        )


async def unlock(database: Database, encryption: Encryption) -> Sealer:
    """Return what seals and opens a database's values; one without rows becomes sealed.

    Raises:
        SealedStorageError: It is plain and has rows, or it is sealed with other keys, or its
            sealing is not finished. Nothing was changed.
    """
    sealing = await database.read(load_sealing)
    if sealing is None or encryption.active not in sealing.proofs:
        sealing = await database.write(lambda connection: _enter(connection, encryption), lane=LANE)
    require_keys(sealing, encryption)
    if sealing.state == "sealing":
        raise SealedStorageError(
            "This database is being sealed, and that was not finished. Finish it with "
            "`interlock keys seal --storage URL`, with the same keys."
        )
    return Sealer(encryption, salt=sealing.salt)


def require_keys(sealing: Sealing, encryption: Encryption) -> None:
    """Refuse keys that are wrong, and fewer than rows are sealed with.

    Raises:
        SealedStorageError: A key is another one than the database knows by its id, or is missing.
    """
    for key_id, proof in sealing.proofs.items():
        if key_id not in encryption.keys:
            raise SealedStorageError(
                f"This database is sealed with the keys {_list(sealing.proofs)}; the key "
                f"{key_id!r} was not given (given: {_list(encryption.keys)}). Nothing was changed. "
                "Add it; after `interlock keys rotate` an old key can be left out."
            )
        if not compare_digest(derive_proof(encryption, key_id, salt=sealing.salt), proof):
            raise SealedStorageError(
                f"The encryption key {key_id!r} is not the one that this database is sealed with. "
                "Nothing was changed. Give the right key under that id, or name the right storage."
            )


def begin_sealing(connection: Connection, encryption: Encryption, *, state: SealState) -> Sealing:
    """Write down that a plain database is sealed; from here on it takes no plain value."""
    salt = os.urandom(_SALT_BYTES)
    proof = derive_proof(encryption, encryption.active, salt=salt)
    connection.run("insert_sealing", (salt, state))
    connection.run("insert_sealing_key", (encryption.active, proof))
    for table in SEALED.values():
        for column in table.columns:
            connection.run(f"guard_{table.name}_{column}")
    return Sealing(salt, state, {encryption.active: proof})


def _enter(connection: Connection, encryption: Encryption) -> Sealing:
    """Seal a database that has no rows yet, or note a new active key."""
    sealing = load_sealing(connection)
    if sealing is None:
        if any(connection.run(f"holds_{name}").fetchone()[0] for name in SEALED):
            raise SealedStorageError(
                "This database is not sealed and has rows, and encryption keys were given. Nothing "
                "was changed. Seal it with `interlock keys seal --storage URL`, or open it without "
                "keys."
            )
        return begin_sealing(connection, encryption, state="sealed")
    require_keys(sealing, encryption)
    if encryption.active in sealing.proofs:
        return sealing
    proof = derive_proof(encryption, encryption.active, salt=sealing.salt)
    connection.run("insert_sealing_key", (encryption.active, proof))
    return Sealing(sealing.salt, sealing.state, {**sealing.proofs, encryption.active: proof})


def _list(ids: Mapping[str, object]) -> str:
    return ", ".join(sorted(ids)) or "none"
