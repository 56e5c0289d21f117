"""Names of things, and the deterministic ids derived from them.

Every id that is written to storage is derived from what it names, so that a
replay after a crash writes the same row and not a second one. Called from every
room; knows nothing but the standard library.
"""

import hashlib
from typing import Final, NewType

ThreadId = NewType("ThreadId", str)
StepId = NewType("StepId", str)
WorkerName = NewType("WorkerName", str)
HandoffId = NewType("HandoffId", str)
QuestionId = NewType("QuestionId", str)
PayloadHash = NewType("PayloadHash", str)
IdempotencyKey = NewType("IdempotencyKey", str)

STEP_ID_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_-]{0,127}$"
"""A step id is a word: paths such as `order.status` split at the first dot."""

_SEPARATOR: Final = "\x1f"


def derive_id(prefix: str, *parts: str | int) -> str:
    """Return `prefix-<24 hex digits>`, the same for the same parts on every machine.

    Args:
        prefix: A short word that tells a person what kind of id this is.
        parts: What the id names, most general first. No part may hold U+001F.
    """
    text = _SEPARATOR.join(str(part) for part in parts)
    return f"{prefix}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def derive_handoff_id(
    thread_id: str, *, superstep: str, step_id: str, attempt: int, kind: str
) -> HandoffId:
    """Return the journal id of one transfer, equal on every replay of it.

    Args:
        thread_id: The thread that the run belongs to.
        superstep: The checkpoint id of the dispatch superstep; a fork has another.
        step_id: The step, prefixed by its team's scope in nested teams.
        attempt: The attempt that the transfer belongs to, from 1; 0 outside attempts.
        kind: What is handed over, e.g. `brief`.
    """
    return HandoffId(derive_id("h", thread_id, superstep, step_id, attempt, kind))


def derive_question_id(
    thread_id: str, *, superstep: str, step_id: str, kind: str, shown_hash: str
) -> QuestionId:
    """Return the id of a question; another superstep or another content is another question."""
    return QuestionId(derive_id("q", thread_id, superstep, step_id, kind, shown_hash))
