"""Errors about sealed databases: the part of the tree in `errors` that encryption raises."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from interlock.contracts.errors import StorageError

SealFault: TypeAlias = Literal["plaintext", "altered", "unknown_key"]
"""What is wrong with a value: it is not sealed; it was changed, or sealed for another row; no key."""

_WORDS: Final[dict[SealFault, str]] = {
    "plaintext": (
        "is not sealed, and this database is. Something wrote around the encryption. "
        "Restore the row from a backup"
    ),
    "altered": (
        "was changed, or was sealed for another row: its seal does not hold here. "
        "Restore the row from a backup"
    ),
    "unknown_key": (
        "is sealed with the key {key_id!r}, which was not given. Add that key to the ones in use"
    ),
}


class SealedRowError(StorageError):
    """A value in a sealed database does not open; nothing of it is shown or used."""

    fault: SealFault
    table: str
    column: str
    row: Sequence[object]
    key_id: str | None

    def __init__(
        self,
        *,
        fault: SealFault,
        table: str,
        column: str,
        row: Sequence[object],
        key_id: str | None = None,
    ) -> None:
        """Name the value by its table, column and row, never by its content."""
        super().__init__(fault=fault, table=table, column=column, row=tuple(row), key_id=key_id)

    def __str__(self) -> str:
        """Say which value, what is wrong with it and what to do."""
        words = _WORDS[self.fault].format(key_id=self.key_id)
        return f"{self.table}.{self.column} of row {tuple(self.row)!r} {words}."


class SealedStorageError(StorageError):
    """The database is sealed and no right key was given, or the other way round; left untouched."""
