"""What a thread has used, by place in its tree of steps: kept in memory, begun from storage (I11).

One book a run, shared with the runs nested in it. It is told of every attempt and model call, and
adds them up for the step, its team, the step above it and so on, so that asking costs nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from interlock.contracts.ids import StepId
from interlock.contracts.outcome import Usage
from interlock.contracts.prices import dump_money
from interlock.contracts.spending import Amount, Caller, ThreadSpending

_MILLION: Final = 1_000_000

_Key: TypeAlias = tuple[StepId, str, int, str]


def list_keys(path: str) -> Iterator[str]:
    """Go through the accounts that a path belongs to: the run's, its step's, that one's team's ...

    `""` is the run, `a` the step `a` with all below it, `a/` the team of that step.
    """
    yield ""
    for place, letter in enumerate(path):
        if letter == "/":
            yield path[:place]
            yield path[: place + 1]
    if path and not path.endswith("/"):
        yield path


class Gate(Protocol):
    """Where calls go out."""

    def give_up_lost(self) -> None:
        """Close the calls that nobody awaits any more."""
        ...


@dataclass(slots=True)
class Habit:
    """What a model was seen to use; before that, what text cannot pass: a token a byte.

    Attributes:
        output_tokens: The most in one call so far.
        input_millionths: The most input tokens for a million bytes so far; None if none was seen.
        input_beyond: How many more tokens than bytes a call had, at most: for what is not text.
        is_silent: Whether it answers without a word about what it used.
    """

    output_tokens: int = 0
    input_millionths: int | None = None
    input_beyond: int = 0
    is_silent: bool = False

    @property
    def is_known(self) -> bool:
        """Whether it is known how long its answers are, or that it never will be."""
        return self.output_tokens > 0 or self.is_silent

    def learn(self, *, input_bytes: int, input_tokens: int, output_tokens: int) -> None:
        """Take note of a call that reported what it used."""
        self.output_tokens = max(self.output_tokens, output_tokens)
        self.input_beyond = max(self.input_beyond, input_tokens - input_bytes)
        if input_tokens > 0 and input_bytes > 0:
            seen = -(-_MILLION * input_tokens // input_bytes)
            self.input_millionths = max(self.input_millionths or 0, seen)

    def bound_input(self, input_bytes: int) -> int:
        """Return how many tokens so many bytes can be."""
        ratio = _MILLION if self.input_millionths is None else min(self.input_millionths, _MILLION)
        return -(-input_bytes * ratio // _MILLION) + self.input_beyond


@dataclass(slots=True)
class Book:
    """What was used on a thread.

    Attributes:
        totals: By account, as `list_keys` names them.
        reports: What models reported for one attempt of one caller.
        charged: What was counted for it.
        running: Attempts that were counted and may be handed over once more.
        habits: By model.
        gates: Through which calls go out now.
        is_loaded: Whether it holds what earlier processes used.
    """

    totals: dict[str, Amount] = field(default_factory=dict)
    reports: dict[_Key, Usage] = field(default_factory=dict)
    charged: dict[_Key, Amount] = field(default_factory=dict)
    running: set[tuple[StepId, int]] = field(default_factory=set)
    habits: dict[str, Habit] = field(default_factory=dict)
    gates: list[Gate] = field(default_factory=list)
    is_loaded: bool = False

    def give_up_lost(self) -> None:
        """Count the calls that nobody awaits any more, and return what is held for them."""
        for gate in list(self.gates):
            gate.give_up_lost()

    def load(self, spending: ThreadSpending) -> None:
        """Begin with what storage knows; once."""
        if self.is_loaded:
            return
        self.is_loaded = True
        for path, count in spending.attempts:
            self.add(path, Amount(attempts=count))
        for one in spending.calls:
            amount = Amount(model_calls=one.model_calls, tokens=one.tokens, money=one.money)
            report = Usage(
                model_calls=one.model_calls,
                input_tokens=one.input_tokens,
                output_tokens=one.output_tokens,
                money=dump_money(one.money),
            )
            self.add_call(one.caller, amount, report=report)
        self.running.update(spending.running)
        for habit in spending.habits:
            self.habits[habit.model] = Habit(
                habit.output_tokens, habit.input_millionths, habit.input_beyond
            )

    def add(self, path: str, amount: Amount) -> None:
        """Count what was used at a path."""
        for key in list_keys(path):
            self.totals[key] = self.totals.get(key, Amount()) + amount

    def add_call(self, caller: Caller, amount: Amount, *, report: Usage) -> None:
        """Count what a call used."""
        self.add(caller.path, amount)
        key = _derive_key(caller)
        self.charged[key] = self.charged.get(key, Amount()) + amount
        self.reports[key] = self.reports.get(key, Usage()) + report

    def get_total(self, key: str) -> Amount:
        """Return what an account has spent."""
        return self.totals.get(key, Amount())

    def get_report(self, caller: Caller) -> Usage:
        """Return what models reported for one attempt of a caller, before pauses too."""
        return self.reports.get(_derive_key(caller), Usage())

    def get_charged(self, caller: Caller) -> Amount:
        """Return what was counted for one attempt of a caller, before pauses too."""
        return self.charged.get(_derive_key(caller), Amount())

    def get_habit(self, model: str) -> Habit:
        """Return what a model was seen to use."""
        return self.habits.setdefault(model, Habit())


def _derive_key(caller: Caller) -> _Key:
    return caller.path, caller.superstep, caller.attempt, caller.role
