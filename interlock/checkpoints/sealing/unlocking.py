"""Checking keys against what a database says of its sealing; sealing one that has no rows yet."""

import os
from hmac import compare_digest
from typing import Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.sealing.envelope import Sealer, derive_proof
from interlock.checkpoints.sealing.sealed_columns import list_sealed_columns
from interlock.checkpoints.sealing.sealing_state import (
    LANE,
    Sealing,
    SealState,
    list_ids,
    load_sealing,
)
from interlock.contracts.encryption import Encryption
from interlock.contracts.sealing_errors import SealedStorageError

_SALT_BYTES: Final = 32


async def unlock(database: Database, encryption: Encryption) -> Sealer:
    """Return what seals and opens a database's values; one without rows becomes sealed.

    Raises:
        SealedStorageError: It is plain and has rows, or it is sealed with other keys, or its
            sealing is not finished. Nothing was changed.
    """
    sealing = await database.read(_look)
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
                f"This database is sealed with the keys {list_ids(sealing.proofs)}; the key "
                f"{key_id!r} was not given (given: {list_ids(encryption.keys)}). Nothing was changed. "
                "Add it; after `interlock keys rotate` an old key can be left out."
            )
        if not compare_digest(derive_proof(encryption, key_id, salt=sealing.salt), proof):
            raise SealedStorageError(
                f"The encryption key {key_id!r} is not the one that this database is sealed with. "
                "Nothing was changed. Give the right key under that id, or name the right storage."
            )


def begin_sealing(connection: Connection, encryption: Encryption, *, state: SealState) -> Sealing:
    """Write down that a database is sealed; from here on it takes no plain value."""
    salt = os.urandom(_SALT_BYTES)
    proof = derive_proof(encryption, encryption.active, salt=salt)
    connection.run("insert_sealing", (salt, state))
    connection.run("insert_sealing_key", (encryption.active, proof))
    for table, column in list_sealed_columns():
        connection.run(f"guard_inserts_{table.name}_{column}")
        connection.run(f"guard_updates_{table.name}_{column}")
    return Sealing(salt, state, {encryption.active: proof})


def _enter(connection: Connection, encryption: Encryption) -> Sealing:
    """Seal a database that has no rows yet, or note a new active key."""
    sealing = load_sealing(connection)
    if sealing is None:
        sealing = begin_sealing(connection, encryption, state="sealed")
        _require_empty(connection)  # again, now that nobody can add a row any more
        return sealing
    return note_active_key(connection, sealing, encryption)


def note_active_key(connection: Connection, sealing: Sealing, encryption: Encryption) -> Sealing:
    """Write down, before anything is sealed with it, which key is used from now on.

    Raises:
        SealedStorageError: The keys are wrong, or one is missing.
    """
    require_keys(sealing, encryption)
    if encryption.active in sealing.proofs:
        return sealing
    proof = derive_proof(encryption, encryption.active, salt=sealing.salt)
    connection.run("insert_sealing_key", (encryption.active, proof))
    return Sealing(sealing.salt, sealing.state, {**sealing.proofs, encryption.active: proof})


def _look(connection: Connection) -> Sealing | None:
    """Return what a database says of itself; None if it is plain and has no rows."""
    sealing = load_sealing(connection)
    if sealing is None:
        _require_empty(connection)
    return sealing


def _require_empty(connection: Connection) -> None:
    for table, column in list_sealed_columns():
        (has_values,) = connection.run(f"holds_{table.name}_{column}").fetchone()
        if has_values:
            raise SealedStorageError(
                "This database is not sealed and has rows, and encryption keys were given. Nothing "
                "was changed. Seal it with `interlock keys seal --storage URL`, or open it without "
                "keys."
            )
