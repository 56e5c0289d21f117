"""Arguments in their one canonical form, and the names made of them.

RFC 8785 (JSON Canonicalization Scheme) writes every number as an IEEE 754 double, so it has no form
for integers beyond 2^53. Such a one is written as its digits, with its place beside it, so that no
two calls that differ share a form.
"""

import hashlib
from typing import Final

import rfc8785

from interlock.contracts.ids import PayloadHash
from interlock.contracts.plain import Plain

_EXACT: Final = 2**53 - 1


def derive_arguments_hash(arguments: Plain) -> PayloadHash:
    """Return the SHA-256 of the canonical form of plain arguments, as 64 hex digits."""
    return PayloadHash(hashlib.sha256(encode_canonical(arguments)).hexdigest())


def encode_canonical(value: Plain) -> bytes:
    """Return the canonical form of a plain value."""
    places: list[str] = []
    exact = _spell_out(value, "", places)
    form = rfc8785.dumps(exact)
    if not places:
        return form
    return form + b"\n" + rfc8785.dumps(sorted(places))  # no canonical form holds a bare line break


def _spell_out(value: Plain, place: str, places: list[str]) -> Plain:
    """Return a value without integers beyond 2^53; notes where they stood, as JSON pointers."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and abs(value) > _EXACT:
        places.append(place)
        return str(value)
    if isinstance(value, dict):
        return {
            key: _spell_out(item, f"{place}/{_escape(key)}", places) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_spell_out(item, f"{place}/{i}", places) for i, item in enumerate(value)]
    return value


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def derive_call_name(
    thread_id: str, *, epoch: int, step_id: str, worker: str, tool: str, arguments: Plain
) -> str:
    """Return what all equal calls share.

    Args:
        thread_id: The thread, or the scope outside a run.
        epoch: The effect epoch.
        step_id: The step's path.
        worker: The worker, if each has effects of its own; else empty.
        tool: The tool's name.
        arguments: The arguments, or the business key in their place.
    """
    parts = [thread_id, epoch, step_id, worker, tool, arguments]
    return f"call-{hashlib.sha256(encode_canonical(parts)).hexdigest()[:32]}"
