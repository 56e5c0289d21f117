"""Accounts: a tree of budgets, in which what is reserved below is held at every level above (I11).

run -> step -> the run of the step's team -> its steps and so on. Before something goes out, what
it could use is reserved in its account and in all above, or in none. A step that declares a budget
reserves the whole of it from above before it starts; what is below it then draws on that and asks
nobody else. What is not used returns.

Waiting for what may return cannot deadlock. A model call waits for running calls only: they hold
what they reserved and wait for no account. A step waits, without a slot, for others of the same
run, and only at the run's own account: these end without it, since their own waits are
for calls or at accounts further down.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from interlock.contracts.policy import Budget
from interlock.contracts.prices import dump_money, parse_money
from interlock.contracts.spending import DIMENSIONS, Amount, Dimension
from interlock.nodes.run.spending_book import Book

_NOUNS: Mapping[Dimension, str] = {
    "attempts": "attempts",
    "model_calls": "model calls",
    "tokens": "tokens",
}


def word_amount(dimension: Dimension, amount: int) -> str:
    """Return an amount in words."""
    if dimension == "money":
        return f"{dump_money(amount):f} of money"
    return f"{amount} {_NOUNS[dimension]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Why something cannot be reserved.

    Attributes:
        account: Whose bound is in the way.
        dimension: Which bound.
        bound: How much it is.
        spent: Of it.
        held: Of the rest, by calls and steps under way.
        needed: How much was asked for.
        may_return: Whether enough of it may return, so that it is worth waiting.
    """

    account: "Account"
    dimension: Dimension
    bound: int
    spent: int
    held: int
    needed: int
    may_return: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Account:
    """One budget and what is left of it.

    Attributes:
        kind: Whose it is.
        key: Its place in the book.
        budget: As declared.
        book: What has been spent.
        parent: The account above; None for the outermost run's.
        deadline: Of a step: when its attempt that is under way must be over.
        held: By dimension, what is reserved and not yet spent.
        held_by_calls: How much of it is of model calls under way.
        allotted: Of a step under way: what is left of that which it reserved as a whole.
    """

    kind: Literal["run", "step"]
    key: str
    budget: Budget
    book: Book
    parent: "Account | None" = None
    deadline: datetime | None = None
    held: dict[Dimension, int] = field(default_factory=dict)
    held_by_calls: dict[Dimension, int] = field(default_factory=dict)
    allotted: dict[Dimension, int] = field(default_factory=dict)
    _waiting: "set[asyncio.Future[None]]" = field(default_factory=set)

    def list_levels(self) -> "Iterator[Account]":
        """Go through this account and those above it, innermost first."""
        level: Account | None = self
        while level is not None:
            yield level
            level = level.parent

    def get_bound(self, dimension: Dimension) -> int | None:
        """Return what the budget allows, money in money units; None is no bound."""
        if dimension == "money":
            return None if self.budget.money is None else parse_money(self.budget.money)
        bound: int | None = getattr(self.budget, dimension)
        return bound

    def get_spent(self, dimension: Dimension) -> int:
        """Return what has been spent here and below."""
        return self.book.get_total(self.key).get(dimension)

    def list_drawn(self, dimension: Dimension) -> "Iterator[Account]":
        """Go through the accounts that something used here draws on, innermost first.

        It ends at a step that has reserved its budget as a whole: above, that is held already.
        """
        for level in self.list_levels():
            yield level
            if dimension in level.allotted:
                return

    def name(self, level: "Account") -> str:
        """Return what an account at or above this one is called from here, capitalised."""
        for one in self.list_levels():
            if one.kind == level.kind:
                return f"The {level.kind}" if one is level else f"The outer {level.kind}"
        return f"The {level.kind}"

    def find_lack(self, amount: Amount) -> Lack | None:
        """Return which bound does not allow an amount now, innermost first; None if all do."""
        for dimension in DIMENSIONS:
            needed = amount.get(dimension)
            for level in self.list_drawn(dimension) if needed else ():
                lack = level.find_own_lack(dimension, needed, returning=level.held_by_calls)
                if lack is not None:
                    return lack
        return None

    def count_left(self, dimension: Dimension) -> int:
        """Return what can be reserved of a dimension now; 0 where nothing is, or nothing bounds it."""
        bounded = [
            bound - level.get_spent(dimension) - level.held.get(dimension, 0)
            for level in self.list_drawn(dimension)
            if (bound := level.get_bound(dimension)) is not None
        ]
        return max(0, min(bounded, default=0))

    def reserve(self, amount: Amount) -> "Reservation":
        """Hold an amount here and above, which `find_lack` found to be there."""
        reservation = Reservation(self, amount)
        for dimension in DIMENSIONS:
            if needed := amount.get(dimension):
                for level in self.list_drawn(dimension):
                    level.hold(dimension, needed, is_call=True)
                    reservation.holds.append((level, dimension, needed))
        return reservation

    def spend(self, amount: Amount) -> None:
        """Draw what the book is told of on what steps reserved as a whole, here and above."""
        for dimension in DIMENSIONS:
            used = amount.get(dimension)
            for level in self.list_levels() if used else ():
                if level.parent is not None and level.allotted.get(dimension):
                    drawn = min(used, level.allotted[dimension])
                    level.allotted[dimension] -= drawn
                    level.return_above(dimension, drawn)

    def find_opening_lack(self) -> Lack | None:
        """Return why a step cannot reserve its budget as a whole from above, or None.

        Where its budget has no bound on attempts, one attempt must be there.
        """
        assert self.parent is not None  # noqa: S101 - a step's account stands below a run's
        for dimension in DIMENSIONS:
            needed = self._count_allotment(dimension) if dimension not in self.allotted else None
            if not needed:
                continue
            for level in self.parent.list_drawn(dimension):
                lack = level.find_own_lack(dimension, needed, returning=level.held)
                if lack is not None:
                    return lack
        return None

    def open(self) -> None:
        """Reserve a step's budget as a whole from above; harmless if that is done."""
        assert self.parent is not None  # noqa: S101 - a step's account stands below a run's
        for dimension in DIMENSIONS:
            needed = self._count_allotment(dimension)
            if needed is None or dimension in self.allotted:
                continue
            for level in self.parent.list_drawn(dimension):
                level.hold(dimension, needed, is_call=False)
            self.allotted[dimension] = needed

    def close(self) -> None:
        """Return what is left of a step's budget; harmless if it reserved none."""
        for dimension, left in list(self.allotted.items()):
            self.return_above(dimension, left)
            del self.allotted[dimension]

    async def wait_for_return(self) -> None:
        """Return as soon as something has returned to this account."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _count_allotment(self, dimension: Dimension) -> int | None:
        bound = self.get_bound(dimension)
        return None if bound is None else max(0, bound - self.get_spent(dimension))

    def find_own_lack(
        self, dimension: Dimension, needed: int, *, returning: Mapping[Dimension, int]
    ) -> Lack | None:
        """Return whether this very budget does not allow an amount, and how it stands then.

        Args:
            dimension: Which bound.
            needed: How much is asked for.
            returning: What of that which is held may return.
        """
        bound = self.get_bound(dimension)
        if bound is None:
            return None
        spent, held = self.get_spent(dimension), self.held.get(dimension, 0)
        if spent + held + needed <= bound:
            return None
        stays = held - returning.get(dimension, 0)
        return Lack(
            account=self,
            dimension=dimension,
            bound=bound,
            spent=spent,
            held=held,
            needed=needed,
            may_return=spent + stays + needed <= bound,
        )

    def hold(self, dimension: Dimension, amount: int, *, is_call: bool) -> None:
        """Hold some of this very budget."""
        self.held[dimension] = self.held.get(dimension, 0) + amount
        if is_call:
            self.held_by_calls[dimension] = self.held_by_calls.get(dimension, 0) + amount

    def give_back(self, dimension: Dimension, amount: int, *, is_call: bool) -> None:
        """Return what was held of this very budget, and tell who waits for it."""
        self.hold(dimension, -amount, is_call=is_call)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def return_above(self, dimension: Dimension, amount: int) -> None:
        """Return some of what a step reserved as a whole."""
        if self.parent is not None:
            for level in self.parent.list_drawn(dimension):
                level.give_back(dimension, amount, is_call=False)


@dataclass(slots=True)
class Reservation:
    """What a model call under way holds.

    Attributes:
        account: Of who calls.
        amount: How much.
        holds: Where, each as account, dimension and amount.
    """

    account: Account
    amount: Amount
    holds: list[tuple[Account, Dimension, int]] = field(default_factory=list)

    def settle(self, used: Amount, *, tell: Callable[[Amount], None]) -> None:
        """Give back what is held, and count what was used instead; more than that is an overdraft.

        Args:
            used: In fact.
            tell: Tells the book.
        """
        tell(used)
        self.account.spend(used)
        holds, self.holds = self.holds, []
        for level, dimension, amount in holds:
            level.give_back(dimension, amount, is_call=True)
