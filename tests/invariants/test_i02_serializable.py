"""I2: whatever interleaves, what has entered could have entered one after the other."""

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.checkpoints import SqlStorage
from interlock.contracts.context_errors import PromotionRefusedError
from interlock.contracts.context_records import AskedFact, ContextVersion
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.promotion import Promotion
from interlock.contracts.storage import Batch
from interlock.criteria import CriteriaEngine
from interlock.nodes.steps.promotion_rules import Offer
from interlock.testing import ManualClock
from tests.invariants.example_settings import draw_examples

SPACE = "space/account/a"
KEYS = ("a", "b", "c")
SHARED = il.SharedContext(
    facts=[
        il.Fact(name="a"),
        il.Fact(name="b", on_conflict="last"),
        il.Fact(name="c", on_conflict="merge", merge="add"),
    ],
    invariants=[il.expr("context.a + context.b <= 12")],
    merges={"add": lambda held, offered: held + offered},
)


@dataclass(frozen=True)
class Work:
    """One step: what it reads, what it writes, and by how much more than the sum of what it read."""

    reads: frozenset[str]
    writes: frozenset[str]
    more: int


works = st.builds(
    Work,
    reads=st.frozensets(st.sampled_from(KEYS)),
    writes=st.frozensets(st.sampled_from(KEYS), min_size=1),
    more=st.integers(0, 4),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Work], list[int]]:
    """Return steps, and an order in which each begins and ends: its number twice."""
    steps = draw(st.lists(works, min_size=2, max_size=6))
    events = draw(st.permutations([*range(len(steps)), *range(len(steps))]))
    return steps, events


def derive_offer(work: Work, seen: dict[str, Any]) -> dict[str, int]:
    """Return what a step writes, given what it has seen."""
    total = sum(seen[key] for key in work.reads if key in seen) + work.more
    return dict.fromkeys(work.writes, total)


class Model:
    """The same steps, one after the other, in plain Python."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.held: dict[str, int] = {}

    def apply(self, work: Work) -> bool:
        """Do a step whole; return whether it may stand."""
        after = dict(self.held)
        for key, value in derive_offer(work, self.held).items():
            after[key] = value + (after.get("c", 0) if key == "c" else 0)
        if {"a", "b"} <= after.keys() and after["a"] + after["b"] > 12:
            return False
        self.held = after
        return True


class World:
    """The steps as they interleave on a storage."""

    def __init__(self, storage: SqlStorage) -> None:
        """Begin on an empty space."""
        self.storage = storage
        self.snapshots: dict[int, Any] = {}

    async def begin(self, number: int) -> None:
        """Take a step's snapshot."""
        asked = [AskedFact(space=SPACE, key=key) for key in KEYS]
        self.snapshots[number] = await self.storage.context.load_snapshot(asked)

    async def end(self, number: int, work: Work) -> set[str]:
        """Offer what the step has made of its snapshot; return why it was refused."""
        held = self.snapshots.pop(number)
        shown = {key: held[key].value for key in work.reads if key in held}
        base = {key: held[key].version if key in held else 0 for key in KEYS}
        offer = Offer(
            shared=SHARED,
            criteria=CriteriaEngine({}),
            thread_id=ThreadId(f"t{number}"),
            values=derive_offer(work, shown),
            shown=shown,
            base=base,
            reads=sorted(work.reads),
        )
        made = ContextVersion(
            kind="promotion",
            thread_id=offer.thread_id,
            superstep="c",
            step_id=StepId("s"),
            at=ManualClock().now(),
        )
        promotion = Promotion(
            made=made, spaces=dict.fromkeys(KEYS, SPACE), base=base, decide=offer.decide
        )
        outcome = StepOutcome(step_id=StepId("s"), status="accepted")
        batch = Batch(superstep="c", outcomes=(outcome,), promotion=promotion)
        try:
            await self.storage.commit(offer.thread_id, batch)
        except PromotionRefusedError as refused:
            return {problem.kind for problem in refused.problems}
        return set()

    async def read(self) -> dict[str, int]:
        """Return what is held."""
        return {fact.key: fact.value for fact in await self.storage.context.load_facts(SPACE)}


@given(history=histories())
@draw_examples(80)
def test_i02_every_interleaving_equals_the_entered_steps_one_after_the_other(
    history: tuple[list[Work], list[int]],
) -> None:
    """I2: no lost update, no write skew, no dirty read; and an invariant never broken on the way.

    The steps that entered, done whole in the order in which they entered, lead to the same facts;
    one that was refused for its facts met a change, and one refused for an invariant would break it.
    """
    steps, events = history

    async def live() -> None:
        storage, model, begun = SqlStorage("memory://"), Model(), set[int]()
        await storage.connect()
        world = World(storage)
        try:
            for number in events:
                if number not in begun:
                    begun.add(number)
                    await world.begin(number)
                    continue
                refused = await world.end(number, steps[number])
                if not refused:
                    assert model.apply(steps[number])
                elif refused == {"invariant"}:
                    assert not model.apply(steps[number])
                assert await world.read() == model.held
        finally:
            await storage.aclose()

    asyncio.run(live())


@given(steps=st.lists(works, min_size=1, max_size=6))
@draw_examples(30)
def test_i02_steps_that_do_not_overlap_are_refused_for_nothing_but_invariants(
    steps: list[Work],
) -> None:
    """I2: alone on the space, a step never meets a conflict."""

    async def live() -> None:
        storage, model = SqlStorage("memory://"), Model()
        await storage.connect()
        world = World(storage)
        try:
            for number, work in enumerate(steps):
                await world.begin(number)
                refused = await world.end(number, work)
                assert refused == (set() if model.apply(work) else {"invariant"})
                assert await world.read() == model.held
        finally:
            await storage.aclose()

    asyncio.run(live())
