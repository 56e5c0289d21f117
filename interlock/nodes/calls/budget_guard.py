"""The guard that lets a model call out only if every budget above it can bear it (I11).

It reserves what the call could use, writes the call down before it goes out, and counts what it
used when it comes back.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from interlock.contracts.budget_errors import BudgetExhaustedError, UnpricedModelError
from interlock.contracts.clock import Clock
from interlock.contracts.errors import InterlockError, PermanentError
from interlock.contracts.ids import ThreadId
from interlock.contracts.model_call import CallGuard, CallResult, ModelCall
from interlock.contracts.model_names import find_by_model
from interlock.contracts.outcome import Usage
from interlock.contracts.prices import Price, dump_money
from interlock.contracts.spending import Amount, CallEnd, Caller, CallRecord
from interlock.contracts.storage import Batch, Storage
from interlock.nodes.calls.call_spans import CallSpans
from interlock.nodes.run.account import Account, Lack, Reservation, word_amount
from interlock.nodes.run.spending_book import Book

_LOOK_SECONDS = 1.0
"""How often who waits looks whether what is held is still awaited."""

_LOST = (
    "Timeout",
    "ReadError",
    "RemoteProtocolError",
    "ConnectionReset",
    "ServerDisconnected",
    "IncompleteRead",
    "LostAnswer",
)
"""In names of errors: the request was sent, and the answer did not arrive. As clients call them."""

_MOST_CAUSES = 8

_TOKENS_A_MESSAGE = 16
"""What a provider may put around a message, at most."""


@dataclass(slots=True)
class _Pending:
    """A call that has been let in.

    Attributes:
        amount: What it could use; what it counts for if nobody hears what it used.
        hold: What is held for it: all that is left, while nobody knows how long a model's answers
            are, so that no other call goes out before the first has told.
        price: Of its model, if it is known.
        reservation: None while it waits for others to return theirs.
        is_recorded: Whether the call is written down.
        is_out: Whether it went out.
    """

    amount: Amount
    hold: Amount
    price: Price | None
    reservation: Reservation | None = None
    is_recorded: bool = False
    is_out: bool = False


@dataclass(slots=True, kw_only=True)
class BudgetGuard:
    """Guards the calls of one caller's attempt.

    Attributes:
        account: Which the calls draw on.
        caller: On whose behalf they are made.
        thread_id: The thread.
        storage: Where they are written down.
        prices: What models cost.
        clock: Time.
        is_over: Whether the attempt has ended: a thread of it that goes on may call no more.
        beside: Who else guards the same calls, and is asked first.
        spans: Who tells of them, if anybody watches the run.
        storage_failure: What the run's own storage failed with under a call, once that is over.
    """

    account: Account
    caller: Caller
    thread_id: ThreadId
    storage: Storage
    prices: Mapping[str, Price]
    clock: Clock
    is_over: bool = False
    beside: tuple[CallGuard, ...] = ()
    spans: CallSpans | None = None
    storage_failure: InterlockError | None = None
    _pending: dict[str, _Pending] = field(default_factory=dict)

    @property
    def book(self) -> Book:
        """The book of the thread."""
        return self.account.book

    @property
    def usage(self) -> Usage:
        """What models reported for this attempt, before a pause or a crash too."""
        return self.book.get_report(self.caller)

    def open(self, call: ModelCall) -> None:
        """Reserve what the call could use; nothing yet, if it is worth waiting for others.

        Raises:
            UnpricedModelError: A budget bounds money, and the model's price is not known.
            BudgetExhaustedError: A budget does not allow the call.
            PermanentError: The attempt is over.
        """
        if self.is_over:
            raise PermanentError(f"The attempt is over. {call.model!r} was not called for it.")
        price = find_by_model(self.prices, call.model)
        if price is None:
            self._refuse_unpriced(call.model)
        amount = self._bound_amount(call, price)
        pending = _Pending(amount, self._bound_hold(call, amount), price)
        lack = self.account.find_lack(pending.hold)
        if lack is not None and not (lack.may_return and call.can_wait):
            raise self._word(lack, call)
        if lack is None:
            pending.reservation = self.account.reserve(pending.hold)
        self._pending[call.id] = pending
        if not call.can_wait:
            self._record(call, pending)
            pending.is_out = True

    async def wait(self, call: ModelCall) -> None:
        """Return once the call is reserved for and written down.

        Raises:
            BudgetExhaustedError: What others held did not return.
            StorageError: The call cannot be written down.
        """
        pending = self._pending[call.id]
        while pending.reservation is None:
            pending.amount = self._bound_amount(call, pending.price)  # more may be known by now
            pending.hold = self._bound_hold(call, pending.amount)
            lack = self.account.find_lack(pending.hold)
            if lack is None:
                pending.reservation = self.account.reserve(pending.hold)
            elif lack.may_return:
                await self._wait_for_return(lack)
            else:
                raise self._word(lack, call)
        self._record(call, pending)
        await self.storage.flush(self.thread_id)
        pending.is_out = True

    async def _wait_for_return(self, lack: Lack) -> None:
        """Return when something may have returned, also of calls whose end nobody tells."""
        self.book.give_up_lost()
        if lack.account.held.get(lack.dimension, 0) < lack.held:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await lack.account.wait_for_return()

    def close(self, call: ModelCall, result: CallResult) -> None:
        """Count what the call used."""
        pending = self._pending.pop(call.id)
        if pending.reservation is None:
            return  # it never went out
        used = self._count_used(pending, result)
        report = Usage(
            model_calls=used.model_calls,
            input_tokens=result.input_tokens or 0,
            output_tokens=result.output_tokens or 0,
            money=dump_money(used.money),
        )
        pending.reservation.settle(
            used, tell=lambda amount: self.book.add_call(self.caller, amount, report=report)
        )
        if result.error is None:
            self._learn(call, result)
        if pending.is_recorded:
            self._post_end(call, used, result)

    def count_unseen(self, reported: Mapping[str, int]) -> None:
        """Count tokens that a worker's messages tell of and no call here did.

        Of models that are none of LangChain's, or whose answers did not say it themselves.
        """
        charged = self.book.get_charged(self.caller)
        seen = self.book.get_report(self.caller)
        if sum(reported.values()) <= max(charged.tokens, seen.tokens):
            return
        extra = {name: max(0, count - getattr(seen, name)) for name, count in reported.items()}
        used = Amount(tokens=sum(reported.values()) - charged.tokens)
        self.book.add_call(self.caller, used, report=Usage.model_validate(extra))
        self.account.spend(used)
        self._post_unseen(used, extra, place=seen.tokens)

    def _learn(self, call: ModelCall, result: CallResult) -> None:
        habit = self.book.get_habit(call.model)
        if result.input_tokens is None:
            habit.is_silent = True
            return
        habit.learn(
            input_bytes=call.input_bytes,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens or 0,
        )

    def _refuse_unpriced(self, model: str) -> None:
        for level in self.account.list_levels():
            if level.budget.money is not None:
                raise UnpricedModelError(owner=self.account.name(level), model=model)

    def _bound_amount(self, call: ModelCall, price: Price | None) -> Amount:
        habit = self.book.get_habit(call.model)
        sent = habit.bound_input(call.input_bytes) + (
            _TOKENS_A_MESSAGE * call.messages if habit.input_millionths is None else 0
        )
        limit = call.max_output_tokens
        back = habit.output_tokens if limit is None else limit
        money = 0 if price is None else price.count_bound(input_tokens=sent, output_tokens=back)
        return Amount(model_calls=1, tokens=sent + back, money=money)

    def _bound_hold(self, call: ModelCall, amount: Amount) -> Amount:
        """Return what is held for a call: its bound, or all that is left where it has none."""
        if call.max_output_tokens is not None or self.book.get_habit(call.model).is_known:
            return amount
        left = {name: self.account.count_left(name) for name in ("tokens", "money")}
        return replace(amount, **{name: max(getattr(amount, name), left[name]) for name in left})

    def _count_used(self, pending: _Pending, result: CallResult) -> Amount:
        """Return what counts for a call: what it reported, else what it reserved.

        A call that failed and reported nothing counts as a call and for no tokens, unless nobody
        can know whether its answer was on its way. One that never went out counts for nothing.
        """
        if not pending.is_out:
            return Amount()
        if result.input_tokens is None and result.output_tokens is None:
            is_free = result.error is not None and not _may_have_answered(result.error)
            return Amount(model_calls=1) if is_free else pending.amount
        sent, back = result.input_tokens or 0, result.output_tokens or 0
        money = 0
        if pending.price is not None:
            money = pending.price.count_units(
                input_tokens=sent, output_tokens=back, cached_tokens=result.cached_input_tokens
            )
        return Amount(model_calls=1, tokens=sent + back, money=money)

    def _record(self, call: ModelCall, pending: _Pending) -> None:
        record = CallRecord(
            id=f"{self.thread_id}/{call.id}",  # a call may pass the gates of two threads
            thread_id=self.thread_id,
            caller=self.caller,
            model=call.model,
            input_bytes=call.input_bytes,
            tokens=pending.amount.tokens,
            money=pending.amount.money,
            started_at=self.clock.now(),
        )
        self.storage.post(self.thread_id, Batch(calls=(record,)))
        pending.is_recorded = True

    def _post_end(self, call: ModelCall, used: Amount, result: CallResult) -> None:
        end = CallEnd(
            id=f"{self.thread_id}/{call.id}",
            calls=used.model_calls,
            tokens=used.tokens,
            money=used.money,
            input_tokens=result.input_tokens,
            output_tokens=result.output_tokens,
            cached_tokens=result.cached_input_tokens,
            error=None if result.error is None else type(result.error).__name__,
            ended_at=self.clock.now(),
        )
        self.storage.post(self.thread_id, Batch(ended_calls=(end,)))

    def _post_unseen(self, used: Amount, extra: Mapping[str, int], *, place: int) -> None:
        now = self.clock.now()
        caller = self.caller
        record = CallRecord(
            id=f"{self.thread_id}/{caller.superstep}/{caller.path}/{caller.attempt}/{place}",
            thread_id=self.thread_id,
            caller=caller,
            model="",
            calls=0,
            tokens=used.tokens,
            started_at=now,
        )
        end = CallEnd(
            id=record.id,
            calls=0,
            tokens=used.tokens,
            money=0,
            input_tokens=extra.get("input_tokens"),
            output_tokens=extra.get("output_tokens"),
            ended_at=now,
        )
        self.storage.post(self.thread_id, Batch(calls=(record,), ended_calls=(end,)))

    def _word(self, lack: Lack, call: ModelCall) -> BudgetExhaustedError:
        words = {
            name: word_amount(lack.dimension, getattr(lack, name))
            for name in ("bound", "spent", "held", "needed")
        }
        return BudgetExhaustedError(
            owner=self.account.name(lack.account),
            bound=words["bound"],
            spent=words["spent"],
            reserved=words["held"] if lack.held else "",
            needed=words["needed"],
            model=call.model,
        )


def _may_have_answered(error: BaseException) -> bool:
    """Return whether a model may have answered, and be paid, although its call raised.

    It was given up, or its answer was lost on the way back; said by the error or by what caused it.
    """
    given_up = (asyncio.CancelledError, TimeoutError, GeneratorExit, KeyboardInterrupt)
    seen: BaseException | None = error
    for _ in range(_MOST_CAUSES):
        if seen is None:
            return False
        names = [kind.__name__ for kind in type(seen).__mro__]
        if isinstance(seen, given_up) or any(word in name for name in names for word in _LOST):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
