"""What the rooms above need of stored context: a snapshot to brief from, and what people look at."""

from collections.abc import Sequence
from typing import Protocol

from interlock.contracts.context_records import (
    AskedFact,
    ContextVersion,
    FactMark,
    FactRecord,
    FactRef,
    Facts,
    FactUse,
    Provenance,
)
from interlock.contracts.ids import ThreadId
from interlock.contracts.promotion import Promotion


class ContextLedger(Protocol):
    """Facts in a database: every version stays readable."""

    async def load_snapshot(self, asked: Sequence[AskedFact]) -> Facts:
        """Return what is held of each key, retracted facts included, all at one instant."""
        ...

    async def check(self, promotion: Promotion) -> None:
        """Return if a promotion could enter now; nothing is written, and it may change at once.

        Raises:
            PromotionRefusedError: It could not.
        """
        ...

    async def load_facts(self, space: str, *, version: int | None = None) -> Sequence[FactRecord]:
        """Return each fact of a space as it stands, or stood at a version, by key."""
        ...

    async def load_versions(self, space: str) -> Sequence[ContextVersion]:
        """Return the versions of a space, oldest first."""
        ...

    async def load_history(self, space: str, key: str) -> Sequence[Provenance]:
        """Return every version of one fact, oldest first, with what it rests on and its uses."""
        ...

    async def load_resting(self, fact: FactRef) -> Sequence[FactRef]:
        """Return the facts that rest on one, directly or not, without itself, in order."""
        ...

    async def load_thread_uses(self, thread_id: ThreadId) -> Sequence[FactUse]:
        """Return what the attempts of a thread were shown."""
        ...

    async def load_marks(self, thread_id: ThreadId) -> Sequence[FactMark]:
        """Return the marks of all facts that a thread was shown, or made."""
        ...

    async def load_space_marks(self, space: str) -> Sequence[FactMark]:
        """Return the marks of a space's facts."""
        ...

    async def amend(self, promotion: Promotion, *, key: str) -> FactRecord:
        """Put a person's correction or retraction in, and mark what rests on what it replaces.

        Args:
            promotion: Of kind correction or retraction.
            key: The fact; other keys of the promotion are what invariants look at.

        Raises:
            UnknownFactError: There is no such fact, or it was retracted before.
            PromotionRefusedError: The corrected value may not enter.
        """
        ...
