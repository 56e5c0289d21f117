"""What is known of a breaker and a rate, as a plain value for programs."""

from datetime import datetime

from interlock.contracts.limits import LimitRecord
from interlock.contracts.plain import Plain


def dump_limit(record: LimitRecord) -> dict[str, Plain]:
    """Return a record with its times as ISO 8601 texts."""
    return {
        "name": record.name,
        "state": record.state,
        "since": _dump(record.since if record.failures or record.state != "closed" else None),
        "failures": [at.isoformat() for at in record.failures],
        "probing_until": [ends.isoformat() for ends in record.probing],
        "until": _dump(record.until),
        "last_failure": record.last_failure,
        "next_at": _dump(record.next_at),
        "held_until": _dump(record.held_until),
    }


def _dump(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
