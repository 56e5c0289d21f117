"""What is too big to travel: from this size on, a plain value is stored once and named by hash.

Called where values enter a state, a question or the storage.
"""

from typing import Final

from interlock.contracts.ids import PayloadHash
from interlock.contracts.plain import Plain, encode_plain

BIG_BYTES: Final = 16 * 1024
"""Values that are encoded in more bytes than this are big."""

_SHOWN_CHARS: Final = 1000


def is_big(value: Plain) -> bool:
    """Return whether a value is surely big, without encoding it.

    Counts the characters of its texts and one for everything else, and stops once that is
    enough: so the answer is cheap, the same for equal values, and never True for a small one.
    """
    left = BIG_BYTES
    todo = [value]
    while todo:
        here = todo.pop()
        left -= 1
        if isinstance(here, str):
            left -= len(here)
        elif isinstance(here, dict):
            left -= sum(map(len, here))
            if len(here) <= left:
                todo.extend(here.values())
            else:
                return True
        elif isinstance(here, list):
            if len(here) <= left:
                todo.extend(here)
            else:
                return True
        if left < 0:
            return True
    return False


def shorten_value(value: Plain, *, sha256: PayloadHash) -> dict[str, Plain]:
    """Return what a person is shown in place of a big value: how its JSON begins, its size, its hash.

    Args:
        value: Big.
        sha256: Of its canonical encoding; names the whole value on its thread.
    """
    data = encode_plain(value)
    begin = data[: _SHOWN_CHARS * 4].decode("utf-8", "ignore")[:_SHOWN_CHARS]
    return {"shortened": f"{begin}…", "bytes": len(data), "sha256": sha256}


def is_shortened(value: Plain, *, sha256: PayloadHash) -> bool:
    """Return whether a value stands for the big one of this hash, as `shorten_value` writes it."""
    return (
        isinstance(value, dict)
        and value.keys() == {"shortened", "bytes", "sha256"}
        and value["sha256"] == sha256
    )
