"""I2: facts enter by promotion, in the transaction that settles their step, and stay readable."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from interlock.checkpoints import SqlStorage, open_storage
from interlock.contracts.context_errors import PromotionRefusedError, UnknownFactError
from interlock.contracts.context_records import AskedFact, FactRef
from interlock.contracts.errors import StorageError
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Batch
from tests.contract.promotions import OWN, SHARED, build_batch, build_promotion, build_use

BIG = {"text": "é" * 20_000}


async def read(storage: SqlStorage, space: str = SHARED, version: int | None = None) -> Any:
    """Return the values of a space's facts by key, those that were retracted left out."""
    facts = await storage.context.load_facts(space, version=version)
    return {fact.key: fact.value for fact in facts if fact.is_held}


async def test_a_promotion_is_one_version_with_its_provenance(storage: SqlStorage) -> None:
    """Who, from what and when stand with the fact, and the outcome says where it stands."""
    promotion = build_promotion({"tier": "gold", "name": "Ada"}, brief_hash="b" * 64)
    outcome = await storage.commit("t", build_batch(promotion))
    assert outcome is not None
    assert outcome.published == {"tier": "gold", "name": "Ada"}
    assert outcome.published_versions == {"tier": (SHARED, 1), "name": (SHARED, 1)}
    assert await storage.load_outcomes("t", superstep="c1") == {"read": outcome}
    (version,) = await storage.context.load_versions(SHARED)
    expected = promotion.made.model_copy(update={"space": SHARED, "version": 1})
    assert version == expected
    name, tier = await storage.context.load_facts(SHARED)
    assert (name.key, name.value, name.made) == ("name", "Ada", expected)
    assert (tier.key, tier.value, tier.version) == ("tier", "gold", 1)


async def test_every_version_stays_readable(storage: SqlStorage) -> None:
    """A fact that changes keeps its past; facts that did not change stand in later versions."""
    for index, values in enumerate(({"a": 1, "b": 1}, {"a": 2}, {"b": 3})):
        base = {key: await newest(storage, key) for key in values}
        promotion = build_promotion(values, base=base, step_id=f"s{index}")
        await storage.commit("t", build_batch(promotion))
    assert [await read(storage, version=number) for number in (0, 1, 2, 3)] == [
        {},
        {"a": 1, "b": 1},
        {"a": 2, "b": 1},
        {"a": 2, "b": 3},
    ]
    assert await read(storage) == {"a": 2, "b": 3}
    history = await storage.context.load_history(SHARED, "a")
    assert [(entry.fact.version, entry.fact.value) for entry in history] == [(1, 1), (2, 2)]


async def newest(storage: SqlStorage, key: str) -> int:
    """Return the version in which a shared fact stands; 0 for none."""
    found = await storage.context.load_snapshot([AskedFact(space=SHARED, key=key)])
    return found[key].version if key in found else 0


async def test_a_refused_promotion_writes_nothing_of_its_batch(
    storage: SqlStorage, make_handoff: Callable[..., Any]
) -> None:
    """Outcome, handoffs, payloads and facts are together or not at all."""
    await storage.commit("t", build_batch(build_promotion({"a": 1})))
    late = build_batch(build_promotion({"a": 2}, thread_id="u", step_id="late"))
    late = Batch(
        superstep="c1",
        outcomes=late.outcomes,
        promotion=late.promotion,
        handoffs=[make_handoff(thread_id="u")],
        payloads=[b'"x"'],
    )
    with pytest.raises(PromotionRefusedError) as refused:
        await storage.commit("u", late)
    assert refused.value.problems[0].key == "a"
    assert await storage.load_outcomes("u", superstep="c1") == {}
    assert await storage.load_handoffs("u") == []
    assert await read(storage) == {"a": 1}
    with pytest.raises(StorageError, match="no payload"):
        await storage.load_payload("u", "0" * 64)


async def test_a_step_promotes_once(storage: SqlStorage) -> None:
    """I6: what settles a step again returns the stored outcome, and makes no second version."""
    first = await storage.commit("t", build_batch(build_promotion({"a": 1})))
    again = await storage.commit("t", build_batch(build_promotion({"a": 9}, base={"a": 7})))
    assert again == first
    assert await read(storage) == {"a": 1}
    assert len(await storage.context.load_versions(SHARED)) == 1


async def test_of_many_on_one_base_one_enters(storage: SqlStorage) -> None:
    """Compare-and-swap: the first wins, the others are refused, and none is lost in silence."""

    async def offer(number: int) -> bool:
        promotion = build_promotion({"n": number}, thread_id=f"t{number}")
        try:
            await storage.commit(f"t{number}", build_batch(promotion))
        except PromotionRefusedError:
            return False
        return True

    entered = await asyncio.gather(*(offer(number) for number in range(8)))
    assert sum(entered) == 1
    assert await read(storage) == {"n": entered.index(True)}


async def test_increments_of_many_threads_are_all_there(storage: SqlStorage) -> None:
    """No update is lost: whoever is refused reads again and tries again."""

    async def add(number: int) -> None:
        while True:
            found = await storage.context.load_snapshot([AskedFact(space=SHARED, key="sum")])
            held = found.get("sum")
            total, version = (held.value, held.version) if held is not None else (0, 0)
            promotion = build_promotion(
                {"sum": total + number},
                base={"sum": version},
                thread_id=f"t{number}",
                superstep=f"c{version}",
            )
            try:
                await storage.commit(f"t{number}", build_batch(promotion))
            except PromotionRefusedError:
                continue
            return

    await asyncio.gather(*(add(2**number) for number in range(10)))
    assert await read(storage) == {"sum": 2**10 - 1}
    assert len(await storage.context.load_versions(SHARED)) == 10


async def test_a_big_value_is_stored_once_and_read_back_whole(storage: SqlStorage) -> None:
    """It lies among the payloads of the space; the outcome has its hash."""
    outcome = await storage.commit("t", build_batch(build_promotion({"big": BIG})))
    assert outcome is not None
    assert outcome.published == {}
    assert await storage.load_payload("t", outcome.published_refs["big"]) == BIG
    assert await storage.load_payload(SHARED, outcome.published_refs["big"]) == BIG
    assert await read(storage) == {"big": BIG}
    await storage.commit("t", build_batch(build_promotion({"big": BIG}, space=OWN, step_id="own")))
    assert await read(storage, OWN) == {"big": BIG}


async def test_strange_text_comes_back_as_it_was(storage: SqlStorage) -> None:
    """NUL, quotes and what lies beyond the basic plane are the same in every database."""
    values = {"a": "nul \x00 quote ' \" back \\", "b": ["😀", 1.5, None, True, -(2**63)]}
    promotion = build_promotion(values, why="nul \x00 here")
    await storage.commit("t", build_batch(promotion))
    assert await read(storage) == values
    (version,) = await storage.context.load_versions(SHARED)
    assert version.why == "nul \x00 here"


async def test_seeds_enter_with_the_run_or_the_run_is_not_accepted(
    storage: SqlStorage, make_run: Callable[..., RunRecord]
) -> None:
    """A run and what it starts with are one transaction."""
    seed = build_promotion({"tier": "gold"}, kind="seed")
    await storage.accept_run(make_run(spaces={"customer": "c-42"}), seeds=seed)
    run = await storage.load_run("t")
    assert run is not None
    assert run.spaces == {"customer": "c-42"}
    assert [found.spaces for found in await storage.list_runs()] == [{"customer": "c-42"}]
    clash = build_promotion({"tier": "iron"}, kind="seed", thread_id="u")
    with pytest.raises(PromotionRefusedError):
        await storage.accept_run(make_run("u"), seeds=clash)
    assert await storage.load_run("u") is None
    assert await read(storage) == {"tier": "gold"}


async def test_an_abandoned_branch_is_not_seen_by_another(storage: SqlStorage) -> None:
    """In a thread's own space the own superstep's versions count, and a person's word on them."""
    await storage.commit("t", build_batch(build_promotion({"a": 1}, space=OWN)))
    fork = build_promotion({"a": 2}, base={"a": 0}, space=OWN, superstep="c2")
    outcome = await storage.commit("t", build_batch(fork))
    assert outcome is not None
    assert outcome.published_versions == {"a": (OWN, 2)}
    twin = build_promotion({"a": 3}, base={"a": 0}, space=OWN, superstep="c2", step_id="twin")
    with pytest.raises(PromotionRefusedError):
        await storage.commit("t", build_batch(twin))
    assert await read_branch(storage, base=1) == 1
    correction = build_promotion({"a": 4}, base={"a": 2}, space=OWN, kind="correction", why="typo")
    await storage.context.amend(correction, key="a")
    assert (await read_branch(storage, base=2), await read_branch(storage, base=1)) == (4, 1)
    retraction = build_promotion({"a": 0}, space=OWN, kind="retraction", why="wrong")
    await storage.context.amend(retraction, key="a")
    assert (await read_branch(storage, base=2), await read_branch(storage, base=1)) == (None, 1)
    late = build_promotion({"a": 5}, base={"a": 4}, space=OWN, superstep="c2", step_id="late")
    outcome = await storage.commit("t", build_batch(replace(late, base={"a": 0})))
    assert outcome is not None  # its own superstep's fact is what the person took back
    assert outcome.published_versions == {"a": (OWN, 5)}


async def test_who_waited_promotes_on_what_its_branch_has_promoted_since(
    storage: SqlStorage,
) -> None:
    """A step is held against what its branch knows by now, however early it was briefed."""
    await storage.commit("t", build_batch(build_promotion({"a": 1}, space=OWN)))
    late = build_promotion({"a": 2}, base={"a": 0}, space=OWN, superstep="c2", step_id="late")
    with pytest.raises(PromotionRefusedError, match="a is 1"):
        await storage.commit("t", build_batch(replace(late, known={"a": 1})))


async def read_branch(storage: SqlStorage, *, base: int) -> Any:
    """Return the value that a branch which knows a version is shown; None if it is taken back."""
    asked = [AskedFact(space=OWN, key="a", base=base)]
    fact = (await storage.context.load_snapshot(asked))["a"]
    return fact.value if fact.is_held else None


async def test_a_retraction_marks_what_rests_on_it_over_threads(storage: SqlStorage) -> None:
    """Marks follow provenance to the end, and nothing beside it."""
    await storage.commit("t", build_batch(build_promotion({"a": 1}, step_id="s1")))
    await storage.commit("t", build_batch(build_promotion({"side": 1}, step_id="s2")))
    first = FactRef(SHARED, "a", 1)
    await storage.commit("u", Batch(uses=[build_use(first, thread_id="u", step_id="v1")]))
    own = build_promotion({"b": 2}, space="thread/u", thread_id="u", step_id="v1", sources=[first])
    await storage.commit("u", build_batch(own))
    second = FactRef("thread/u", "b", 1)
    third = build_promotion({"c": 3}, thread_id="u", step_id="v2", sources=[second])
    await storage.commit("u", build_batch(third))
    assert await storage.context.load_resting(first) == [second, FactRef(SHARED, "c", 3)]
    retraction = build_promotion({"a": 0}, kind="retraction", why="misread")
    fact = await storage.context.amend(retraction, key="a")
    assert (fact.state, fact.replaces, fact.version) == ("retracted", 1, 4)
    marks = await storage.context.load_marks("u")
    assert [mark.ref for mark in marks] == [first, FactRef(SHARED, "c", 3), second]
    assert {mark.cause for mark in marks} == {first}
    assert {(mark.kind, mark.why) for mark in marks} == {("retraction", "misread")}
    assert [mark.ref for mark in await storage.context.load_marks("t")] == [first]
    assert await read(storage) == {"c": 3, "side": 1}
    assert await read(storage, version=3) == {"a": 1, "c": 3, "side": 1}


async def test_what_enters_later_on_a_retracted_fact_is_marked_at_once(
    storage: SqlStorage,
) -> None:
    """A step that was under way while a fact was taken back does not slip through."""
    await storage.commit("t", build_batch(build_promotion({"a": 1})))
    retraction = build_promotion({"a": 0}, kind="retraction", why="misread")
    await storage.context.amend(retraction, key="a")
    first = FactRef(SHARED, "a", 1)
    late = build_promotion({"b": 2}, thread_id="u", sources=[first])
    await storage.commit("u", build_batch(late))
    (mark,) = await storage.context.load_marks("u")
    assert (mark.ref, mark.cause, mark.is_cause) == (FactRef(SHARED, "b", 3), first, False)


async def test_a_retraction_beside_promotions_misses_none(storage: SqlStorage) -> None:
    """Whoever comes first, each fact that rests on the retracted one is marked in the end."""
    await storage.commit("t", build_batch(build_promotion({"a": 1})))
    first = FactRef(SHARED, "a", 1)

    async def promote(number: int) -> None:
        thread_id = f"t{number}"
        own = build_promotion(
            {"own": number}, space=f"thread/{thread_id}", thread_id=thread_id, sources=[first]
        )
        await storage.commit(thread_id, build_batch(own))
        shared = build_promotion(
            {f"k{number}": number},
            thread_id=thread_id,
            step_id="write",
            sources=[FactRef(f"thread/{thread_id}", "own", 1)],
        )
        await storage.commit(thread_id, build_batch(shared))

    async def retract() -> None:
        retraction = build_promotion({"a": 0}, kind="retraction", why="misread")
        await storage.context.amend(retraction, key="a")

    await asyncio.gather(*(promote(n) for n in range(4)), retract(), *(promote(n) for n in (4, 5)))
    resting = set(await storage.context.load_resting(first))
    assert len(resting) == 12
    marked = {mark.ref for n in range(6) for mark in await storage.context.load_marks(f"t{n}")}
    assert marked == resting


async def test_a_correction_replaces_and_marks(storage: SqlStorage) -> None:
    """A person's value stands from then on; what rested on the old one is marked."""
    await storage.commit("t", build_batch(build_promotion({"a": 1})))
    correction = build_promotion({"a": 5}, base={}, kind="correction", why="typo")
    fact = await storage.context.amend(correction, key="a")
    assert (fact.value, fact.version, fact.replaces) == (5, 2, 1)
    assert await read(storage) == {"a": 5}
    assert [mark.ref for mark in await storage.context.load_space_marks(SHARED)] == [
        FactRef(SHARED, "a", 1)
    ]


@pytest.mark.parametrize("kind", ["correction", "retraction"])
async def test_what_is_not_there_cannot_be_amended(storage: SqlStorage, kind: str) -> None:
    """An unknown fact is named with those that there are; a retracted one is not retracted again."""
    await storage.commit("t", build_batch(build_promotion({"a": 1})))
    amendment = build_promotion({"b": 5}, base={"a": 1}, kind=kind, why="typo")
    with pytest.raises(UnknownFactError, match="Known: a"):
        await storage.context.amend(amendment, key="b")
    again = build_promotion({"a": 0}, kind="retraction", why="wrong")
    await storage.context.amend(again, key="a")
    with pytest.raises(UnknownFactError):
        await storage.context.amend(again, key="a")


async def test_uses_are_noted_once(storage: SqlStorage) -> None:
    """A replay of a brief adds nothing."""
    use = build_use(FactRef(SHARED, "a", 1))
    for _ in range(2):
        storage.post("t", Batch(uses=[use]))
    await storage.flush("t")
    assert await storage.context.load_thread_uses("t") == [use]
    assert await storage.context.load_thread_uses("u") == []


async def test_facts_outlive_who_opened_the_storage(lasting_url: str) -> None:
    """Another process finds every version, mark and use."""
    async with open_storage(lasting_url) as storage:
        await storage.commit("t", build_batch(build_promotion({"a": 1})))
        use = build_use(FactRef(SHARED, "a", 1))
        await storage.commit("t", Batch(uses=[use]))
        retraction = build_promotion({"a": 0}, kind="retraction", why="wrong")
        await storage.context.amend(retraction, key="a")
    async with open_storage(lasting_url) as storage:
        (entry, gone) = await storage.context.load_history(SHARED, "a")
        assert (entry.fact.value, entry.uses, len(entry.marks)) == (1, [use], 1)
        assert gone.fact.state == "retracted"


async def test_two_storages_on_one_database_swap_in_turn(lasting_url: str) -> None:
    """Two processes that promote on one base: one is refused, whichever database it is."""
    async with open_storage(lasting_url) as one, open_storage(lasting_url) as other:

        async def offer(storage: Any, thread_id: str) -> str:
            promotion = build_promotion({"n": thread_id}, thread_id=thread_id)
            try:
                await storage.commit(thread_id, build_batch(promotion))
            except PromotionRefusedError:
                return "refused"
            return "entered"

        ends = await asyncio.gather(offer(one, "a"), offer(other, "b"))
        assert sorted(ends) == ["entered", "refused"]
