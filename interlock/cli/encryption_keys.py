"""The keys of sealed databases, from the environment: the only way in which commands get them."""

import os
from collections.abc import Mapping
from typing import Final

from interlock.contracts.encryption import Encryption, parse_encryption

VARIABLE: Final = "INTERLOCK_ENCRYPTION_KEYS"
"""`id:base64,id:base64`; the first key is the active one."""


def read_encryption(environment: Mapping[str, str] = os.environ) -> Encryption | None:
    """Return the keys in the environment, or None.

    Raises:
        ConfigurationError: They cannot be read.
    """
    text = environment.get(VARIABLE, "")
    return parse_encryption(text, source=VARIABLE) if text.strip() else None
