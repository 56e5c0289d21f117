"""Pruning: deletes what is old and no resume needs, thread by thread, in small transactions.

A thread that somebody is running is left alone: its turn comes when it has ended, waits for a
person, or was killed. Every transaction looks at the lease again.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from langgraph.checkpoint.serde.base import SerializerProtocol

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.leases import Leases
from interlock.checkpoints.prune_plan import (
    RECORD,
    STATEMENTS,
    Key,
    PlanTerms,
    PrunePlan,
    build_plan,
)
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.clock import Clock
from interlock.contracts.effect_ledger import EffectLedger, ForgetEffects
from interlock.contracts.errors import ThreadBusyError
from interlock.contracts.ids import ThreadId
from interlock.contracts.retention import Pruned, PruneReport, Retention

_BATCH: Final = 500
"""Rows that one transaction deletes: writers wait for some milliseconds at most."""


class Pruning:
    """Forgets, on one database."""

    def __init__(
        self,
        database: Database,
        leases: Leases,
        *,
        ledger: EffectLedger,
        clock: Clock,
        serde: SerializerProtocol,
    ) -> None:
        """Prepare.

        Args:
            database: Where to delete.
            leases: Say who is running a thread.
            ledger: Forgets effects itself.
            clock: Says what is old.
            serde: Reads checkpoints.
        """
        self._database = database
        self._leases = leases
        self._ledger = ledger
        self._clock = clock
        self._serde = serde

    async def prune(self, retention: Retention, *, dry_run: bool) -> PruneReport:
        """Delete what may go, or count it; safe to stop anywhere and to repeat."""
        before = _go_back(self._clock.now(), retention)
        terms = PlanTerms(retention=retention, before=before, serde=self._serde)
        account = _Account()
        await self._forget_effects(terms, account, dry_run=dry_run)
        for thread_id in await self._list_threads(terms):
            try:
                await self._prune_thread(thread_id, terms, account, dry_run=dry_run)
            except ThreadBusyError:
                account.busy.append(ThreadId(thread_id))
        return PruneReport(
            before=before,
            dry_run=dry_run,
            tables={name: account.tables[name] for name in sorted(account.tables)},
            trimmed=tuple(account.trimmed),
            emptied=tuple(account.emptied),
            busy=tuple(account.busy),
        )

    async def _forget_effects(
        self, terms: PlanTerms, account: "_Account", *, dry_run: bool
    ) -> None:
        request = ForgetEffects(
            before=terms.before, thread_id=terms.retention.thread_id, dry_run=dry_run
        )
        account.count("effects", await self._ledger.apply(request), 0)

    async def _list_threads(self, terms: PlanTerms) -> Sequence[str]:
        if terms.retention.thread_id is not None:
            return [terms.retention.thread_id]

        def operation(connection: Connection) -> Sequence[str]:
            found = {row[0] for row in connection.run("list_prunable_threads")}
            if terms.retention.journal:
                ended = connection.run("list_recorded_threads", (dump_time(terms.before),))
                found |= {row[0] for row in ended}
            return sorted(found)

        return await self._database.read(operation)

    async def _prune_thread(
        self, thread_id: str, terms: PlanTerms, account: "_Account", *, dry_run: bool
    ) -> None:
        def look(connection: Connection) -> PrunePlan:
            self._leases.require_idle(connection, thread_id)
            return build_plan(connection, thread_id, terms)

        plan = await self._database.read(look)
        if not plan.keys:
            return
        if not dry_run:
            for table, keys in _cut(plan):
                await self._delete(thread_id, table, keys)
        account.note(ThreadId(thread_id), plan)

    async def _delete(self, thread_id: str, table: str, keys: Sequence[Key]) -> None:
        rows = [(thread_id, *key) for key in keys]

        def operation(connection: Connection) -> None:
            self._leases.require_idle(connection, thread_id)
            if table in RECORD:
                connection.run("begin_pruning", (thread_id,))
            connection.run_many(STATEMENTS[table], rows)
            if table in RECORD:
                connection.run("end_pruning", (thread_id,))

        await self._database.write(operation, lane=thread_id)


class _Account:
    """What has gone so far."""

    def __init__(self) -> None:
        self.tables: dict[str, Pruned] = {}
        self.trimmed: list[ThreadId] = []
        self.emptied: list[ThreadId] = []
        self.busy: list[ThreadId] = []

    def count(self, table: str, rows: int, size: int) -> None:
        """Add rows of a table."""
        if rows:
            known = self.tables.get(table, Pruned())
            self.tables[table] = known + Pruned(rows=rows, bytes=size)

    def note(self, thread_id: ThreadId, plan: PrunePlan) -> None:
        """Add a thread."""
        for table, (rows, size) in plan.counted.items():
            self.count(table, rows, size)
        if "checkpoints" in plan.keys:
            (self.emptied if plan.is_emptied else self.trimmed).append(thread_id)


def _cut(plan: PrunePlan) -> Iterator[tuple[str, Sequence[Key]]]:
    for table in STATEMENTS:
        keys = plan.keys.get(table, [])
        for begin in range(0, len(keys), _BATCH):
            yield table, keys[begin : begin + _BATCH]


def _go_back(now: datetime, retention: Retention) -> datetime:
    """Return the instant before which things are old; the beginning of time if that is later."""
    try:
        return now - retention.older_than
    except OverflowError:
        return datetime.min.replace(tzinfo=now.tzinfo)
