"""The shared context of one database (`contracts.context_ledger.ContextLedger`)."""

from collections.abc import Sequence

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.context_promotion import (
    NEWEST,
    amend,
    list_resting,
    load_fact,
    load_held,
)
from interlock.checkpoints.context_rows import (
    name_lane,
    parse_fact,
    parse_mark,
    parse_use,
    parse_version,
)
from interlock.checkpoints.database import Database
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


class SqlContextLedger:
    """Facts in a database; every version stays readable."""

    def __init__(self, database: Database) -> None:
        """Use a database."""
        self._database = database

    async def load_snapshot(self, asked: Sequence[AskedFact]) -> Facts:
        """Return what is held of each key, retracted facts included, all at one instant."""

        def operation(connection: Connection) -> Facts:
            found = {
                one.key: load_fact(connection, one.space, one.key, base=one.base) for one in asked
            }
            return {key: fact for key, fact in found.items() if fact is not None}

        return await self._database.read(operation)

    async def check(self, promotion: Promotion) -> None:
        """Return if a promotion could enter now; nothing is written, and it may change at once.

        Raises:
            PromotionRefusedError: It could not.
        """

        def operation(connection: Connection) -> None:
            promotion.decide(load_held(connection, promotion))

        await self._database.read(operation)

    async def load_facts(self, space: str, *, version: int | None = None) -> Sequence[FactRecord]:
        """Return each fact of a space as it stands, or stood at a version, by key."""

        def operation(connection: Connection) -> Sequence[FactRecord]:
            upto = NEWEST if version is None else version
            rows = connection.run("load_space_facts", (space, upto)).fetchall()
            return [parse_fact(connection, row) for row in rows]

        return await self._database.read(operation)

    async def load_versions(self, space: str) -> Sequence[ContextVersion]:
        """Return the versions of a space, oldest first."""

        def operation(connection: Connection) -> Sequence[ContextVersion]:
            return [parse_version(row) for row in connection.run("load_context_versions", (space,))]

        return await self._database.read(operation)

    async def load_history(self, space: str, key: str) -> Sequence[Provenance]:
        """Return every version of one fact, oldest first, with what it rests on and its uses."""

        def operation(connection: Connection) -> Sequence[Provenance]:
            uses = [parse_use(row) for row in connection.run("load_fact_uses", (space, key))]
            marks = [parse_mark(row) for row in connection.run("load_key_marks", (space, key))]
            rows = connection.run("load_fact_history", (space, key)).fetchall()
            facts = [parse_fact(connection, row) for row in rows]
            return [_trace_back(connection, fact, uses=uses, marks=marks) for fact in facts]

        return await self._database.read(operation)

    async def load_resting(self, fact: FactRef) -> Sequence[FactRef]:
        """Return the facts that rest on one, directly or not, without itself, in order."""
        return await self._database.read(lambda connection: list_resting(connection, fact)[1:])

    async def load_thread_uses(self, thread_id: ThreadId) -> Sequence[FactUse]:
        """Return what the attempts of a thread were shown."""

        def operation(connection: Connection) -> Sequence[FactUse]:
            return [parse_use(row) for row in connection.run("load_thread_uses", (thread_id,))]

        return await self._database.read(operation)

    async def load_marks(self, thread_id: ThreadId) -> Sequence[FactMark]:
        """Return the marks of all facts that a thread was shown, or made."""

        def operation(connection: Connection) -> Sequence[FactMark]:
            found: dict[tuple[FactRef, FactRef], FactMark] = {}
            for name in ("load_marks_of_shown_facts", "load_marks_of_made_facts"):
                for row in connection.run(name, (thread_id,)):
                    mark = parse_mark(row)
                    found[mark.ref, mark.cause] = mark
            return [found[place] for place in sorted(found)]

        return await self._database.read(operation)

    async def load_space_marks(self, space: str) -> Sequence[FactMark]:
        """Return the marks of a space's facts."""

        def operation(connection: Connection) -> Sequence[FactMark]:
            return [parse_mark(row) for row in connection.run("load_space_marks", (space,))]

        return await self._database.read(operation)

    async def amend(self, promotion: Promotion, *, key: str) -> FactRecord:
        """Put a person's correction or retraction in, and mark what rests on what it replaces.

        Raises:
            UnknownFactError: There is no such fact, or it was retracted before.
            PromotionRefusedError: The corrected value may not enter.
        """
        lane = name_lane(promotion.spaces[key], promotion.made.thread_id)
        return await self._database.write(
            lambda connection: amend(connection, promotion, key=key), lane=lane
        )


def _trace_back(
    connection: Connection,
    fact: FactRecord,
    *,
    uses: Sequence[FactUse],
    marks: Sequence[FactMark],
) -> Provenance:
    rows = connection.run("load_sources_of_fact", tuple(fact.ref)).fetchall()
    return Provenance(
        fact=fact,
        sources=[FactRef(*row) for row in rows],
        uses=[use for use in uses if use.ref == fact.ref],
        marks=[mark for mark in marks if mark.ref == fact.ref],
    )
