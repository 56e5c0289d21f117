"""The keys with which a database is sealed: their ids, their form, and how they are written down.

Nothing here encrypts: `checkpoints.sealing` does. Keys are never shown, not even in a `repr`.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from interlock.contracts.errors import ConfigurationError

KEY_BYTES: Final = 32
"""Length of a key: AES-256 takes 256 bits."""

_KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
_WAY: Final = "`interlock keys new` prints one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """The keys of a sealed database.

    Attributes:
        keys: Key ids (1 to 32 letters, digits, `.`, `_` or `-`) with 32 random bytes each. Rows
            that were sealed with any of them can be read.
        active: The id of the key that seals what is written.
    """

    keys: Mapping[str, bytes] = field(repr=False)
    active: str

    def __post_init__(self) -> None:
        """Check ids and lengths; keep a copy that nobody can change.

        Raises:
            ConfigurationError: A key or an id cannot be used, or the active key is not there.
        """
        for key_id, key in self.keys.items():
            _require_key_id(key_id)
            _require_key(key_id, key)
        if self.active not in self.keys:
            known = ", ".join(self.keys) or "none"
            raise ConfigurationError(
                f"The active encryption key {self.active!r} is not among the keys. Keys that were "
                f"given: {known}. Add its key, or make one of these active."
            )
        object.__setattr__(self, "keys", MappingProxyType(dict(self.keys)))

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse to be pickled: keys belong into no checkpoint, queue or file."""
        raise ConfigurationError(
            "Encryption keys are not pickled. Hand them to each process by its environment."
        )


def parse_encryption(text: str, *, source: str) -> Encryption:
    """Return the keys that a line such as `2026-11:base64,2026-05:base64` names; first is active.

    Args:
        text: Key ids with their keys in base64, the active one first.
        source: Where the line stands, for messages.

    Raises:
        ConfigurationError: It cannot be read; the message holds no part of a key.
    """
    keys: dict[str, bytes] = {}
    for number, item in enumerate(text.split(","), start=1):
        key_id, mark, encoded = (part.strip() for part in item.partition(":"))
        if not mark or not key_id or not encoded:
            raise ConfigurationError(
                f"Key {number} in {source} is not written as id:base64. Write "
                f"id:base64,id:base64, the active key first. {_WAY}"
            )
        if not is_key_id(key_id):  # perhaps the two were swapped
            raise ConfigurationError(
                f"Key {number} in {source} has an id that cannot be used; it is not shown, as it may "
                f"be a key. Write id:base64, with an id of 1 to 32 letters, digits, '.', '_' or '-'. "
                f"{_WAY}"
            )
        if key_id in keys:
            raise ConfigurationError(
                f"{source} names the key {key_id!r} twice. Keep one of them: an id stands for "
                "one key."
            )
        keys[key_id] = _decode_key(key_id, encoded, source=source)
    return Encryption(keys=keys, active=next(iter(keys)))


def dump_encryption_key(key_id: str, key: bytes) -> str:
    """Return a key as it is written into a line that `parse_encryption` reads.

    Raises:
        ConfigurationError: The id or the key cannot be used.
    """
    _require_key_id(key_id)
    _require_key(key_id, key)
    return f"{key_id}:{b64encode(key).decode()}"


def is_key_id(text: str) -> bool:
    """Return whether a text has the form of a key id."""
    return _KEY_ID.fullmatch(text) is not None


def _require_key_id(key_id: str) -> None:
    if not is_key_id(key_id):
        raise ConfigurationError(
            f"The encryption key id {key_id[:40]!r} cannot be used. It stands in clear beside every "
            "value: use 1 to 32 letters, digits, '.', '_' or '-', such as 2026-11."
        )


def _require_key(key_id: str, key: object) -> None:
    if not isinstance(key, bytes):
        raise ConfigurationError(
            f"The encryption key {key_id!r} is {type(key).__name__!r}, not bytes. Give "
            f"{KEY_BYTES} random bytes. {_WAY}"
        )
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"The encryption key {key_id!r} has {len(key)} bytes; AES-256 takes {KEY_BYTES}. Use "
            f"random bytes, no passphrase. {_WAY}"
        )


def _decode_key(key_id: str, encoded: str, *, source: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except (Base64Error, ValueError) as exc:
        raise ConfigurationError(
            f"The key {key_id!r} in {source} is not base64. Copy the whole line. {_WAY}"
        ) from exc
