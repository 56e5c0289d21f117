"""I5: calls, duplicates, late answers, crashes, takeovers, clock jumps and settlements, in any order.

A model of the ledger, written from its promises, says what each request must answer. Processes are
storages on one file whose runners the test declares dead.
"""

import asyncio
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from interlock.checkpoints import SqlStorage, effect_operations, leases
from interlock.checkpoints.process_identity import ProcessIdentity
from interlock.contracts.effect_errors import EffectSettledError
from interlock.contracts.effect_ledger import (
    ListEffects,
    RecordEnd,
    RecordNothing,
    ReserveEffect,
    SettleEffect,
)
from interlock.contracts.effects import EffectCall, RecordedError
from interlock.contracts.errors import LeaseLostError, ThreadBusyError
from interlock.contracts.ids import PayloadHash, ThreadId
from interlock.testing import ManualClock
from tests.invariants.example_settings import draw_examples

THREAD = ThreadId("t")
TTL_SECONDS = 30
NAMES = st.sampled_from(["pay", "pay", "pay", "mail"])
ATTEMPTS = st.sampled_from(["a1", "a2"])
PLACES = st.sampled_from(["#0", "#1", "#2"])
DEAD: set[int] = set()


@dataclass
class Modelled:
    """What the model knows of one effect.

    Attributes:
        state: Where it stands.
        tries: Which try.
        runner: The process that started it.
        token: The fencing token under which it did.
        answer: What duplicates get.
        word: Who said how it ended.
        is_early: Whether it ended by what came late of a former try, before its last was begun.
    """

    state: str = "intended"
    tries: int = 1
    runner: int = 0
    token: int | None = None
    answer: Any = None
    word: str = "tool"
    is_early: bool = False


@dataclass
class Process:
    """A process: a storage of its own, with a number that nobody had before.

    Attributes:
        number: Its process number.
        storage: Opened.
        token: Under which it holds the thread, as it believes.
        begun: Tries that it has begun and not ended.
    """

    number: int
    storage: SqlStorage
    token: int | None = None
    begun: set[tuple[str, int]] = field(default_factory=set)


def is_dead(process: ProcessIdentity, *, seen_from: ProcessIdentity) -> bool:
    """Return whether the test has declared a process dead."""
    return process.pid in DEAD


class LedgerMachine(RuleBasedStateMachine):
    """Drives several processes' ledgers on one file beside the model."""

    tries = Bundle("tries")

    def __init__(self) -> None:
        super().__init__()
        DEAD.clear()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(effect_operations, "is_surely_dead", is_dead)
        self.patch.setattr(leases, "is_surely_dead", is_dead)
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.numbers = 1000
        self.processes: list[Process] = []
        self.effects: dict[str, Modelled] = {}
        self.uses: dict[tuple[str, str], dict[str, str]] = {}
        self.keys: dict[tuple[str, int], str] = {}
        self.lease: tuple[int, int, float] | None = None  # token, holder, expires at
        self.grants: dict[str, int] = {}

    @initialize()
    def open_processes(self) -> None:
        """Begin with two processes."""
        self.processes = [self.spawn(), self.spawn()]

    def spawn(self) -> Process:
        """Return a new process."""
        self.numbers += 1
        storage = SqlStorage(f"sqlite:///{Path(self.folder.name)}/l.db", clock=self.clock)
        identity = ProcessIdentity("here", self.numbers, float(self.numbers))
        storage._leases._this = identity
        storage._ledger._operations.writes.this = identity
        self.runner.run(storage.connect())
        return Process(self.numbers, storage)

    def now(self) -> float:
        """Return the time in seconds."""
        return self.clock.now().timestamp()

    def is_running(self, effect: Modelled, key: str, seen_from: Process) -> bool:
        """Return what the promises say: can whoever started it still end it?"""
        if effect.runner == seen_from.number and (key, effect.tries) in seen_from.begun:
            return True
        if effect.runner in DEAD:
            return False
        if effect.token is None:
            return True
        return (
            self.lease is not None and self.lease[0] == effect.token and self.now() < self.lease[2]
        )

    @rule(which=st.integers(0, 1))
    def take_thread(self, which: int) -> None:
        """A process takes the thread, if nobody who lives holds it."""
        process = self.processes[which]
        holds = self.lease is not None and self.lease[1] not in DEAD and self.now() < self.lease[2]
        acquire = process.storage.acquire_lease(THREAD, ttl=timedelta(seconds=TTL_SECONDS))
        if holds:
            with pytest.raises(ThreadBusyError):
                self.runner.run(acquire)
            return
        lease = self.runner.run(acquire)
        process.token = lease.token
        self.lease = (lease.token, process.number, self.now() + TTL_SECONDS)

    @rule(
        target=tries,
        which=st.integers(0, 1),
        attempt=ATTEMPTS,
        name=NAMES,
        place=PLACES,
        is_fenced=st.booleans(),
        is_retry=st.booleans(),
    )
    def call(
        self, which: int, attempt: str, name: str, place: str, is_fenced: bool, is_retry: bool
    ) -> Any:
        """A process calls; the decision must be the model's."""
        process = self.processes[which]
        repeats = tuple(self.uses.get((attempt, name), ())) if is_retry else ()
        request = ReserveEffect(
            call=EffectCall(
                thread_id=THREAD,
                tool=name,
                arguments={},
                arguments_hash=PayloadHash("0"),
                name=name,
                attempt=attempt,
                place=place,
                repeats=repeats,
                is_fenced=is_fenced,
            )
        )
        if is_fenced and (error := self.find_refusal(process)) is not None:
            with pytest.raises(error):
                self.runner.run(process.storage.ledger.apply(request))
            return multiple()
        reservation = self.runner.run(process.storage.ledger.apply(request))
        record = reservation.record
        key = self.find_key(process, request.call, record.key)
        assert record.key == key
        effect = self.effects.setdefault(key, Modelled())
        if effect.state == "started" and not self.is_running(effect, key, process):
            effect.state, effect.word = "unknown", "takeover"
        decision = {"intended": "run", "started": "running", "unknown": "unknown"}
        assert reservation.decision == decision.get(effect.state, "answered")
        if effect.state != "intended":
            assert (record.state, record.tries, record.answer) == (
                effect.state,
                effect.tries,
                effect.answer,
            )
            return multiple()
        effect.state, effect.runner = "started", process.number
        effect.token = process.token if is_fenced else None
        process.begun.add((key, effect.tries))
        self.grants[key] = self.grants.get(key, 0) + 1
        return (key, effect.tries, process.number)

    def find_refusal(self, process: Process) -> type[Exception] | None:
        """Return how a fenced call of a process is refused; None if it is not."""
        if process.token is None:
            is_free = self.lease is None or self.lease[1] in DEAD or self.now() >= self.lease[2]
            return None if is_free else ThreadBusyError
        assert self.lease is not None
        return None if self.lease[0] == process.token else LeaseLostError

    def find_key(self, process: Process, call: EffectCall, seen: str) -> str:
        """Return the key that a call must have.

        By its place; else that of an effect of its attempt that may not have happened, or whose
        caller it stands for; else by its number among equal ones.
        """
        places = self.uses.setdefault((call.attempt, call.name), {})
        if call.place not in places:
            retried = next(
                (k for p, k in places.items() if self.is_retry(process, call, p, k)), None
            )
            number = (call.name, len(set(places.values())))
            if retried is None:
                assert number in self.keys or seen not in self.keys.values()
                retried = self.keys.setdefault(number, seen)
            places[call.place] = retried
        return places[call.place]

    def is_retry(self, process: Process, call: EffectCall, place: str, key: str) -> bool:
        """Return whether a call would repeat the one at another place if it began anew."""
        effect = self.effects[key]
        if effect.state == "started":
            return place in call.repeats or not self.is_running(effect, key, process)
        return effect.state in {"intended", "unknown"}

    @rule(begun=tries, state=st.sampled_from(["done", "failed", "unknown"]), answer=st.integers())
    def end(self, begun: tuple[str, int, int], state: str, answer: int) -> None:
        """Whoever began a try says how it ended; however late, and also from the grave."""
        key, number, _ = begun
        process = self.find_process(begun)
        error = RecordedError(type="builtins.ValueError", message="no") if state != "done" else None
        request = RecordEnd(
            thread_id=THREAD,
            key=key,  # type: ignore[arg-type]
            tries=number,
            state=state,  # type: ignore[arg-type]
            answer=answer if state == "done" else None,
            error=error,
        )
        self.runner.run(process.storage.ledger.apply(request))
        process.begun.discard((key, number))
        effect = self.effects[key]
        is_open = effect.state == "started" or (effect.state == "unknown" and state != "unknown")
        if effect.tries == number and is_open:
            effect.state, effect.word = state, "tool"
            effect.answer = answer if state == "done" else None
        elif effect.state == "intended" and state == "done":
            effect.state, effect.word, effect.answer = "done", "tool", answer
            effect.is_early = True

    def find_process(self, begun: tuple[str, int, int]) -> Process:
        """Return the process that began a try; one that is there now if it died."""
        alive = [one for one in self.processes if one.number == begun[2]]
        return alive[0] if alive else self.processes[0]

    @rule(begun=tries)
    def change_nothing(self, begun: tuple[str, int, int]) -> None:
        """Whoever began a try says that it changed nothing."""
        key, number, _ = begun
        process = self.find_process(begun)
        self.runner.run(
            process.storage.ledger.apply(
                RecordNothing(thread_id=THREAD, key=key, tries=number)  # type: ignore[arg-type]
            )
        )
        process.begun.discard((key, number))
        self.free(self.effects[key], number, word="tool")

    def free(self, effect: Modelled, number: int, *, word: str) -> None:
        """Let the model's effect be intended again, if this try is open."""
        if effect.tries == number and effect.state in {"started", "unknown"}:
            effect.state, effect.tries, effect.answer = "intended", number + 1, None
            effect.word = word

    @rule(begun=tries, which=st.integers(0, 1), happened=st.booleans())
    def settle(self, begun: tuple[str, int, int], which: int, happened: bool) -> None:
        """A person says what became of an effect."""
        key, process = begun[0], self.processes[which]
        effect = self.effects[key]
        request = SettleEffect(
            thread_id=THREAD,
            key=key,  # type: ignore[arg-type]
            happened=happened,
            answer="said",
        )
        apply = process.storage.ledger.apply(request)
        is_lost = effect.state == "started" and not self.is_running(effect, key, process)
        if effect.state == "unknown" or is_lost:
            self.runner.run(apply)
            if happened:
                effect.state, effect.answer, effect.word = "done", "said", "person"
            else:
                self.free(effect, effect.tries, word="person")
            return
        same = effect.word == "person" and (
            (effect.state == "done" and happened) or (effect.state == "intended" and not happened)
        )
        if same:
            self.runner.run(apply)
        else:
            with pytest.raises(EffectSettledError):
                self.runner.run(apply)

    @rule(which=st.integers(0, 1))
    def crash(self, which: int) -> None:
        """A process dies, and another one starts."""
        process = self.processes[which]
        DEAD.add(process.number)
        self.runner.run(process.storage._database.aclose())
        self.processes[which] = self.spawn()

    @rule(seconds=st.sampled_from([1, TTL_SECONDS, 5000]))
    def let_time_pass(self, seconds: int) -> None:
        """The clock jumps."""
        self.clock.advance(seconds)

    @invariant()
    def i05_is_run_once_a_try(self) -> None:
        """I5: nobody was ever let run a try that another was let run."""
        for key, effect in self.effects.items():
            is_waiting = effect.state == "intended" or effect.is_early
            assert self.grants.get(key, 0) == effect.tries - is_waiting

    @invariant()
    def is_listed_as_modelled(self) -> None:
        """Every process reads the same states, and no lost effect as running."""
        for process in self.processes:
            listed = self.runner.run(
                process.storage.ledger.apply(ListEffects(thread_id=THREAD, answers=True))
            )
            assert {one.key for one in listed} == set(self.effects)
            for one in listed:
                effect = self.effects[one.key]
                is_lost = effect.state == "started" and not self.is_running(
                    effect, one.key, process
                )
                assert one.state == ("unknown" if is_lost else effect.state)
                assert (one.tries, one.answer) == (effect.tries, effect.answer)

    def teardown(self) -> None:
        """Close everything."""
        for process in self.processes:
            self.runner.run(process.storage._database.aclose())
        self.runner.close()
        self.patch.undo()
        self.folder.cleanup()


def test_i05_the_ledger_does_what_it_promises_in_any_order() -> None:
    """I5: every request is answered as the model says, whatever came before it."""
    run_state_machine_as_test(LedgerMachine, settings=draw_examples(36, stateful_step_count=40))
