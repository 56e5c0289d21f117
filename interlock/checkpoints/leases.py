"""Leases with fencing tokens: who may write to a thread.

Every takeover has a greater token, and every durable write checks in its own transaction
that the thread's token is still the one this storage holds (Kleppmann, "How to do
distributed locking", 2016). Expiry alone takes nothing away from a holder; a takeover does.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from interlock.checkpoints.connection import Connection, Operation
from interlock.checkpoints.database import Database, WriteKey
from interlock.checkpoints.process_identity import (
    ProcessIdentity,
    identify_this_process,
    is_surely_dead,
)
from interlock.contracts.clock import Clock
from interlock.contracts.errors import (
    LeaseLostError,
    StorageBusyError,
    StorageError,
    ThreadBusyError,
)
from interlock.contracts.ids import ThreadId
from interlock.contracts.storage import Lease


@dataclass(frozen=True, slots=True)
class _Row:
    """A lease as it is stored; `expires_at` is None once it is released."""

    token: int
    owner: str
    process: ProcessIdentity
    expires_at: float | None


@dataclass(slots=True)
class _KnownNamespaces:
    """The checkpoint namespaces of a held thread, complete until its lease ends."""

    names: set[str]
    expires_at: datetime


class Leases:
    """The leases of one storage, and the check that every write makes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Hold nothing yet."""
        self._database = database
        self._clock = clock
        self._this = identify_this_process()
        self._held: dict[str, int] = {}
        self._given_up: dict[str, int] = {}  # released here, perhaps not in the database
        self._namespaces: dict[str, _KnownNamespaces] = {}

    async def acquire(self, thread_id: ThreadId, *, ttl: timedelta) -> Lease:
        """Take a thread, with a token greater than any before.

        Raises:
            ThreadBusyError: A live process, or another run of this process, holds it.
        """
        now = self._clock.now()
        expires_at = now + ttl
        owner = self._this.describe()

        def operation(connection: Connection) -> tuple[int, set[str]]:
            row = _load_row(connection, thread_id)
            if row is None or row.token != self._given_up.get(thread_id):
                self._refuse_live(row, thread_id, now=now)
            token = 1 if row is None else row.token + 1
            connection.noted.clear()
            this = self._this
            connection.run(
                "save_lease",
                (
                    thread_id,
                    token,
                    owner,
                    this.host,
                    this.pid,
                    this.started,
                    expires_at.timestamp(),
                ),
            )
            namespaces = connection.run("list_namespaces", (thread_id,))
            return token, {name for (name,) in namespaces}

        writing = asyncio.ensure_future(self._database.write(operation, lane=thread_id))
        try:
            token, namespaces = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await self._give_up(thread_id, writing)
            raise
        self._held[thread_id] = token
        self._namespaces[thread_id] = _KnownNamespaces(namespaces, expires_at)
        return Lease(thread_id=thread_id, token=token, owner=owner, expires_at=expires_at)

    async def _give_up(
        self, thread_id: ThreadId, writing: "asyncio.Future[tuple[int, set[str]]]"
    ) -> None:
        """Give free what was taken for a caller that has been cancelled meanwhile."""
        with suppress(ThreadBusyError, StorageBusyError, StorageError):
            token, _ = await writing
            await self.release(thread_id, token)

    async def renew(self, lease: Lease, *, ttl: timedelta) -> Lease:
        """Extend a lease, and learn whether anybody asked to cancel.

        Raises:
            LeaseLostError: Another process took the thread over, or it was released.
        """
        expires_at = self._clock.now() + ttl
        thread_id, token = lease.thread_id, lease.token

        def operation(connection: Connection) -> str | None:
            row = _load_row(connection, thread_id)
            if row is None or row.token != token or row.expires_at is None:
                self._namespaces.pop(thread_id, None)
                raise LeaseLostError(thread_id=thread_id, token=token)
            connection.run("extend_lease", (expires_at.timestamp(), thread_id, token))
            reason = connection.run("load_cancel_reason", (thread_id,)).fetchone()
            return None if reason is None else reason[0]

        cancel_reason = await self._database.write(operation, lane=thread_id)
        if thread_id in self._namespaces:
            self._namespaces[thread_id].expires_at = expires_at
        return Lease(
            thread_id=thread_id,
            token=token,
            owner=lease.owner,
            expires_at=expires_at,
            cancel_reason=cancel_reason,
        )

    async def find(self, thread_id: ThreadId) -> Lease | None:
        """Return the lease that keeps others away from a thread now, or None."""
        row = await self._database.read(lambda connection: _load_row(connection, thread_id))
        if row is None or row.expires_at is None:
            return None
        expires_at = datetime.fromtimestamp(row.expires_at, UTC)
        is_over = expires_at <= self._clock.now()
        if is_over or is_surely_dead(row.process, seen_from=self._this):
            return None
        return Lease(thread_id=thread_id, token=row.token, owner=row.owner, expires_at=expires_at)

    async def release(self, thread_id: ThreadId, token: int) -> None:
        """Give a thread free; harmless if it was lost, which this storage then remembers.

        If that cannot be written, say on a full disk, this storage may take the thread again all
        the same; others wait until the lease expires.
        """

        def operation(connection: Connection) -> bool:
            parameters = (thread_id, token)
            return connection.run("free_lease", parameters).rowcount == 1

        self._given_up[thread_id] = token
        try:
            is_freed = await self._database.write(operation, lane=thread_id)
        finally:
            self._database.forget(WriteKey(thread_id, token))
        self._given_up.pop(thread_id, None)  # two may release at once
        if is_freed and self._held.get(thread_id) == token:
            del self._held[thread_id]
            self._namespaces.pop(thread_id, None)

    async def release_all(self) -> None:
        """Give every held thread free."""
        for thread_id, token in list(self._held.items()):
            await self.release(ThreadId(thread_id), token)

    def derive_key(self, thread_id: str) -> WriteKey:
        """Return what a thread's writes under its present lease have in common.

        A write that failed and that nobody awaited fails all later ones with its key (I8): whoever
        takes the thread again reads it anew and is not told of it.
        """
        return WriteKey(thread_id, self._held.get(thread_id))

    def derive_guard(self, thread_id: str) -> Operation[None]:
        """Return the check that a write to a thread makes in its own transaction.

        The token is the one held now, when the write is queued: a lease taken again later
        does not let an older write through. The check raises LeaseLostError if another took
        the thread over, and ThreadBusyError if this storage never held a thread that is held
        by another.
        """
        token = self._held.get(thread_id)
        if token is None:
            return self._derive_refusal(thread_id, now=self._clock.now())
        held = ("lease", thread_id, token)

        def check(connection: Connection) -> None:
            if held in connection.noted:
                return  # looked at in this transaction, and nobody else can write to the thread
            row = connection.run("load_lease", (thread_id,)).fetchone()
            if row is None or row[0] != token:
                self._namespaces.pop(thread_id, None)
                raise LeaseLostError(thread_id=thread_id, token=token)
            connection.noted.add(held)

        return check

    def _derive_refusal(self, thread_id: str, *, now: datetime) -> Operation[None]:
        """Return the check of a write to a thread that this storage does not hold."""
        free = ("no lease", thread_id)

        def check(connection: Connection) -> None:
            if free not in connection.noted:
                self._refuse_live(_load_row(connection, thread_id), thread_id, now=now)
                connection.noted.add(free)

        return check

    def get_token(self, thread_id: str) -> int | None:
        """Return the token under which this storage holds a thread; None if it does not."""
        return self._held.get(thread_id)

    def is_held_under(self, connection: Connection, thread_id: str, token: int) -> bool:
        """Return whether a thread's lease still has a token, and runs."""
        row = _load_row(connection, thread_id)
        if row is None or row.token != token or row.expires_at is None:
            return False
        return self._clock.now().timestamp() < row.expires_at

    def note_namespace(self, thread_id: str, namespace: str) -> None:
        """Remember that a checkpoint is being written to a namespace of a thread."""
        known = self._namespaces.get(thread_id)
        if known is not None:
            known.names.add(namespace)

    def forget_namespaces(self, thread_id: str) -> None:
        """Look into the database for a thread's namespaces from now on."""
        self._namespaces.pop(thread_id, None)

    def is_surely_empty(self, thread_id: str, namespace: str) -> bool:
        """Return whether a namespace is known, without a query, to hold no checkpoint.

        While this storage's lease on the thread runs nobody else can write there, so what it
        has not seen does not exist.
        """
        known = self._namespaces.get(thread_id)
        if known is None or namespace in known.names:
            return False
        return self._clock.now() < known.expires_at

    def require_idle(self, connection: Connection, thread_id: str) -> None:
        """Return unless somebody, perhaps this very storage, is running a thread.

        Raises:
            ThreadBusyError: Somebody is.
        """
        self._refuse_live(_load_row(connection, thread_id), thread_id, now=self._clock.now())

    def _refuse_live(self, row: _Row | None, thread_id: str, *, now: datetime) -> None:
        """Raise ThreadBusyError if a stored lease still keeps others away."""
        if row is None or row.expires_at is None:
            return
        seconds_left = row.expires_at - now.astimezone(UTC).timestamp()
        if seconds_left <= 0 or is_surely_dead(row.process, seen_from=self._this):
            return
        raise ThreadBusyError(thread_id=thread_id, owner=row.owner, seconds_left=seconds_left)


def _load_row(connection: Connection, thread_id: str) -> _Row | None:
    row = connection.run("load_lease", (thread_id,)).fetchone()
    if row is None:
        return None
    token, owner, host, pid, started, expires_at = row
    return _Row(token, owner, ProcessIdentity(host, pid, started), expires_at)
