"""The ledger of effects on one database (`contracts.effect_ledger.EffectLedger`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from interlock.checkpoints.connection import Connection, Operation
from interlock.checkpoints.database import LENT, MANY, Database
from interlock.checkpoints.effect_operations import (
    EffectOperations,
    complete_answer,
    tell_duplicate,
)
from interlock.checkpoints.leases import Leases
from interlock.contracts.clock import Clock
from interlock.contracts.effect_ledger import (
    ForgetEffects,
    ListEffects,
    LoadEffect,
    RecordEnd,
    RecordNothing,
    Request,
    Reservation,
    ReserveEffect,
    RunInTransaction,
    SettleEffect,
    Transaction,
)
from interlock.contracts.errors import ContractError
from interlock.contracts.flights import Flights
from interlock.contracts.ids import ThreadId

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a tool raised inside the storage's transaction; raised again once that is committed."""

    error: Exception


class SqlEffectLedger:
    """Effects in a database; each request is one transaction."""

    def __init__(self, database: Database, leases: Leases, clock: Clock) -> None:
        """Use a storage's database, leases and clock."""
        self._database = database
        self._leases = leases
        self._operations = EffectOperations(leases, clock.now)
        self._flights = Flights()

    @property
    def flights(self) -> Flights:
        """Tool calls that are under way."""
        return self._flights

    async def apply(self, request: Request[T]) -> T:
        """Carry out a request; what it writes is durable when this returns."""
        operation: Operation[Any] = self._derive(request)
        if _is_read(request):
            return self._take(request, await self._database.read(operation))
        return self._take(request, await self._database.write(operation, lane=_get_lane(request)))

    def apply_blocking(self, request: Request[T]) -> T:
        """Do as `apply` does, blocking the calling thread."""
        operation: Operation[Any] = self._derive(request)
        if _is_read(request):
            return self._take(request, self._database.read_blocking(operation))
        return self._take(
            request, self._database.write_blocking(operation, lane=_get_lane(request))
        )

    def _take(self, request: Request[T], reply: Any) -> T:  # noqa: ANN401 - each request has its own
        """Return a reply, having noted what this process has begun and ended."""
        begun = self._operations.begun
        if isinstance(reply, _Raised):
            raise reply.error
        if isinstance(request, ReserveEffect) and reply.decision == "run":
            begun.add((reply.record.thread_id, reply.record.key, reply.record.tries))
        elif isinstance(request, (RecordEnd, RecordNothing)):
            begun.discard((request.thread_id, request.key, request.tries))
        result: T = reply
        return result

    def _derive(self, request: Request[Any]) -> Operation[Any]:
        operations = self._operations
        match request:
            case ReserveEffect():
                return self._derive_reserve(request)
            case RunInTransaction():
                return self._derive_run(request)
            case RecordEnd():
                return lambda connection: operations.record_end(connection, request)
            case RecordNothing():
                return lambda connection: operations.record_nothing(connection, request)
            case SettleEffect():
                return lambda connection: operations.settle(connection, request)
            case LoadEffect():
                return lambda connection: operations.load(connection, request)
            case ListEffects():
                return lambda connection: operations.list(connection, request)
            case ForgetEffects():
                return lambda connection: operations.forget(connection, request)
            case _:
                raise ContractError(f"The ledger does not know the request {request!r}.")

    def _guard(self, thread_id: ThreadId, *, is_fenced: bool) -> tuple[Operation[None], int | None]:
        """Return the check of the thread's lease, and the token that is held now."""
        if not is_fenced:
            return (lambda connection: None), None  # noqa: ARG005 - nothing to check
        return self._leases.derive_guard(thread_id), self._leases.get_token(thread_id)

    def _derive_reserve(self, request: ReserveEffect) -> Operation[Reservation]:
        call = request.call
        guard, token = self._guard(call.thread_id, is_fenced=call.is_fenced)

        def operation(connection: Connection) -> Reservation:
            guard(connection)
            return self._operations.reserve(connection, request, token=token)

        return operation

    def _derive_run(self, request: RunInTransaction) -> Operation[Reservation | _Raised]:
        call = request.call
        guard, token = self._guard(call.thread_id, is_fenced=call.is_fenced)

        def operation(connection: Connection) -> Reservation | _Raised:
            guard(connection)
            row = self._operations.find_or_add(connection, call, token=token)
            is_new = row.record.state == "intended"
            self._operations.writes.note_use(connection, call, row, did_start=is_new)
            if not is_new:
                return tell_duplicate(connection, row)
            answer, error = None, None
            try:
                with connection.lend() as lent:
                    answer = request.function(lent, row.record.key)
            except Exception as exc:
                if connection.ended_by(exc):
                    raise
                final = request.is_final(exc)
                if final is None:
                    return _Raised(exc)
                error = final.model_dump_json()
            row = self._operations.end_in_transaction(connection, row, answer=answer, error=error)
            record = complete_answer(connection, row)
            return Reservation(decision="answered", record=record, did_run=True)

        return operation

    async def transact(self, function: Callable[[Transaction], T]) -> T:
        """Run a function in one durable transaction on tables of the user's own."""

        def operation(connection: Connection) -> T | _Raised:
            try:
                with connection.lend() as lent:
                    return function(lent)
            except Exception as exc:
                if connection.ended_by(exc):
                    raise
                return _Raised(exc)

        reply = await self._database.write(operation, lane=LENT)
        if isinstance(reply, _Raised):
            raise reply.error
        return reply


def _is_read(request: object) -> bool:
    return isinstance(request, (LoadEffect, ListEffects))


def _get_lane(request: Request[Any]) -> str:
    """Return what a request writes to: a thread, or many."""
    match request:
        case ReserveEffect() | RunInTransaction():
            return request.call.thread_id
        case RecordEnd() | RecordNothing() | SettleEffect():
            return request.thread_id
        case _:
            return MANY
