"""One value sealed for one place: AES-256-GCM, bound to table, column and row.

A value is sealed under a key of its own thread (more exactly, of its row's scope, the first part
of the row's key): HKDF-SHA256 (RFC 5869) derives it from the master key, the database's salt and
the scope. Why: AES-GCM with random 96-bit nonces allows 2^32 values a key before the chance that
a nonce repeats passes 2^-32 (NIST SP 800-38D, section 8.3). So the limit holds for each thread by
itself and not for all that a company ever writes. The salt makes the keys of two databases
differ, so that a row of one does not open in the other.

The associated data name format, table, column and row without ambiguity. A value that was moved
to another row, column, thread or database does not open. What no seal can tell is an *older*
value of the very same place: whoever can write to the database can put back what was there.

Layout, in a column of bytes: `ILS1`, one byte with the length of the key id, the key id, 12 bytes
of nonce, ciphertext with its 16 bytes of tag. In a column of text: `ils1:`, the key id, `:`, and
nonce with ciphertext in base64.
"""

import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from interlock.checkpoints.sealing.sealed_columns import BYTES_MARK, TEXT_MARK
from interlock.contracts.encryption import Encryption, is_key_id
from interlock.contracts.sealing_errors import SealedRowError, SealFault

KeyPart: TypeAlias = str | int
Value: TypeAlias = str | bytes

_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"interlock sealed value 1"
_PROOF: Final = b"interlock key proof 1"
_CACHED_SCOPES: Final = 4096
_HEAD: Final = 40


class Place(NamedTuple):
    """Where a sealed value stands.

    Attributes:
        table: The table.
        column: The column.
        row: The parts of the row's key; the first is the scope, which has a key of its own.
    """

    table: str
    column: str
    row: tuple[KeyPart, ...]

    def encode(self) -> bytes:
        """Return the place as bytes; two places never give the same."""
        return _encode((self.table, self.column, *self.row))


class Sealer:
    """Seals and opens values of one database; may be used from any thread."""

    def __init__(self, encryption: Encryption, *, salt: bytes) -> None:
        """Use keys, for the database that has this salt."""
        self._keys = encryption.keys
        self.active = encryption.active
        self._salt = salt
        self._get_cipher: Callable[[str, KeyPart], AESGCM] = lru_cache(_CACHED_SCOPES)(
            self._derive_cipher
        )

    def seal(self, value: Value, place: Place) -> Value:
        """Return a value, sealed with the active key; text stays text."""
        data = value.encode() if isinstance(value, str) else bytes(value)
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._get_cipher(self.active, place.row[0])
        sealed = nonce + cipher.encrypt(nonce, data, place.encode())
        if isinstance(value, str):
            return f"{TEXT_MARK}{self.active}:{b64encode(sealed).decode()}"
        return derive_bytes_prefix(self.active) + sealed

    def open(self, value: Value, place: Place) -> Value:
        """Return what was sealed for this place.

        Raises:
            SealedRowError: It is not sealed, was sealed for another place or with another key, or
                was changed.
        """
        key_id, sealed = _split(value, place)
        if key_id not in self._keys:
            raise _refuse("unknown_key", place, key_id)
        cipher = self._get_cipher(key_id, place.row[0])
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            data = cipher.decrypt(nonce, ciphertext, place.encode())
        except (InvalidTag, ValueError) as exc:
            raise _refuse("altered", place, key_id) from exc
        return data.decode() if isinstance(value, str) else data

    def _derive_cipher(self, key_id: str, scope: KeyPart) -> AESGCM:
        info = _PURPOSE + _encode((key_id, scope))
        return AESGCM(derive_key(self._keys[key_id], salt=self._salt, info=info))


def derive_proof(encryption: Encryption, key_id: str, *, salt: bytes) -> bytes:
    """Return what shows that a key is the one of this id, and tells nothing about the key."""
    return derive_key(encryption.keys[key_id], salt=salt, info=_PROOF + _encode((key_id,)))


def derive_key(master: bytes, *, salt: bytes, info: bytes) -> bytes:
    """Return 32 bytes for one purpose, by HKDF-SHA256."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(master)


def derive_bytes_prefix(key_id: str) -> bytes:
    """Return what every value in bytes begins with that this key has sealed."""
    return BYTES_MARK + len(key_id).to_bytes(1) + key_id.encode()


def derive_text_prefix(key_id: str) -> str:
    """Return what every value in text begins with that this key has sealed."""
    return f"{TEXT_MARK}{key_id}:"


def find_key_id(value: Value) -> str | None:
    """Return the id of the key that a value says it is sealed with; None if it is not sealed."""
    if isinstance(value, str):
        key_id = value[len(TEXT_MARK) : len(TEXT_MARK) + _HEAD].partition(":")[0]
        is_marked = value.startswith(derive_text_prefix(key_id))
    else:
        start = len(BYTES_MARK) + 1
        length = int.from_bytes(value[start - 1 : start])
        key_id = bytes(value[start : start + length]).decode("ascii", "replace")
        is_marked = value.startswith(BYTES_MARK)
    return key_id if is_marked and is_key_id(key_id) else None


def _split(value: Value, place: Place) -> tuple[str, bytes]:
    """Return key id and sealed bytes of a stored value.

    Raises:
        SealedRowError: It is not sealed, or not whole.
    """
    key_id = find_key_id(value)
    if key_id is None:
        raise _refuse("plaintext", place, None)
    if not isinstance(value, str):
        return key_id, bytes(value[len(BYTES_MARK) + 1 + len(key_id) :])
    try:
        return key_id, b64decode(value[len(TEXT_MARK) + len(key_id) + 1 :], validate=True)
    except (Base64Error, ValueError) as exc:
        raise _refuse("altered", place, key_id) from exc


def _refuse(fault: SealFault, place: Place, key_id: str | None) -> SealedRowError:
    return SealedRowError(
        fault=fault, table=place.table, column=place.column, row=place.row, key_id=key_id
    )


def _encode(parts: Sequence[KeyPart]) -> bytes:
    """Return parts as bytes, each with its type and length, so that no two lists are the same."""
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode() if isinstance(part, str) else b"%d" % part
        kind = b"s" if isinstance(part, str) else b"i"
        pieces.append(kind + len(data).to_bytes(4) + data)
    return b"".join(pieces)
