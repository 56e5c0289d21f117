"""Promotion inside the transaction that settles a step: read, decide, write, or nothing at all (I2).

Optimistic concurrency control with backward validation: what was read and what is written is
compared with what is held now, inside the lock that keeps other writers out of the spaces (Kung and
Robinson, "On Optimistic Methods for Concurrency Control", 1981). How it is decided is handed in.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.context_rows import (
    insert_fact,
    insert_version,
    name_lane,
    parse_fact,
)
from interlock.checkpoints.fault_rows import insert_blames
from interlock.checkpoints.payload_rows import derive_payload_rows, insert_payloads
from interlock.contracts.big_values import is_big
from interlock.contracts.context_errors import UnknownFactError
from interlock.contracts.context_records import ContextVersion, FactRecord, FactRef
from interlock.contracts.fault import Blame
from interlock.contracts.ids import PayloadHash, StepId, ThreadId, derive_id
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import Plain, derive_bytes_hash, encode_plain
from interlock.contracts.promotion import EnteringFact, Promotion
from interlock.contracts.shared_context import is_shared_space

NEWEST: Final = 2**62
"""Above every version."""


def settle_promoted(
    connection: Connection, thread_id: ThreadId, outcome: StepOutcome, *, promotion: Promotion
) -> StepOutcome:
    """Promote what an outcome publishes, and return the outcome with what came of it.

    If the outcome is stored already, nothing is promoted again, and the stored one is returned.

    Raises:
        PromotionRefusedError: Nothing may be written.
    """
    superstep = promotion.made.superstep
    row = connection.run("load_outcome", (thread_id, superstep, outcome.step_id)).fetchone()
    if row is not None:
        return StepOutcome.model_validate_json(row[0])
    facts = promote(connection, promotion)
    published, refs = _keep_published(connection, thread_id, facts)
    place = (superstep, promotion.made.step_id)
    kept = (key for key, fact in facts.items() if (fact.made.superstep, fact.made.step_id) != place)
    return outcome.model_copy(
        update={
            "published": published,
            "published_refs": refs,
            "published_in_vain": tuple(kept),
            "published_versions": {key: (fact.space, fact.version) for key, fact in facts.items()},
        }
    )


def promote(connection: Connection, promotion: Promotion) -> Mapping[str, FactRecord]:
    """Let a promotion be decided on what is held now, write it, and return the facts that stand.

    Raises:
        PromotionRefusedError: Nothing may be written.
    """
    _lock(connection, promotion)
    entering = promotion.decide(load_held(connection, promotion))
    standing = {key: fact.kept for key, fact in entering.items() if fact.kept is not None}
    by_space: dict[str, dict[str, EnteringFact]] = {}
    for key, fact in entering.items():
        by_space.setdefault(promotion.spaces[key], {})[key] = fact
    for space in sorted(by_space):
        standing.update(_write(connection, promotion, space, by_space[space]))
    return {key: standing[key] for key in entering}


def amend(connection: Connection, promotion: Promotion, *, key: str) -> FactRecord:
    """Put a person's correction or retraction in, and mark what rests on what it replaces.

    Raises:
        UnknownFactError: There is no such fact.
        PromotionRefusedError: The corrected value may not enter.
    """
    _lock(connection, promotion)
    held = load_held(connection, promotion)
    made, space = promotion.made, promotion.spaces[key]
    before = held.get(key)
    if before is None or (made.kind == "retraction" and not before.is_held):
        known = sorted(name for name, fact in held.items() if fact.is_held)
        raise UnknownFactError(key=key, thread_id=made.thread_id, known=known)
    value: Plain = None
    if made.kind == "correction":
        value = promotion.decide(held)[key].value
    version = _open_version(connection, made.model_copy(update={"space": space}))
    fact = FactRecord(
        space=space,
        key=key,
        version=version.version,
        state="retracted" if made.kind == "retraction" else "fact",
        value=value,
        rule=before.rule,
        replaces=before.version,
        made=version,
    )
    insert_fact(connection, fact)
    resting = list_resting(connection, before.ref, does_lock=True) if before.is_held else []
    marks = [(*one, *before.ref, version.version) for one in resting]
    connection.run_many("insert_fact_mark", marks)
    if before.is_held:
        insert_blames(connection, (_blame(before, made),))
    return fact


def _blame(fact: FactRecord, made: ContextVersion) -> Blame:
    """Return that the step which published a fact was wrong, as a person's change of it says."""
    return Blame(
        id=derive_id("f", *fact.ref),
        thread_id=made.thread_id,
        step_id=StepId(""),
        fact=(fact.space, fact.key, fact.version),
        how="retracted" if made.kind == "retraction" else "corrected",
        found_by="person",
        found_thread=made.thread_id,
        found_at=made.at,
        why=made.why,
    )


def load_held(connection: Connection, promotion: Promotion) -> dict[str, FactRecord]:
    """Return what is held of every key that a promotion is about, as it counts for its branch."""
    held: dict[str, FactRecord] = {}
    for key, space in promotion.spaces.items():
        # A step that waited for a person was briefed before others of its branch have promoted.
        floors = (
            versions[key] for versions in (promotion.base, promotion.known) if key in versions
        )
        superstep, base = promotion.made.superstep, max(floors, default=None)
        fact = load_fact(connection, space, key, base=base, superstep=superstep)
        if fact is not None:
            held[key] = fact
    return held


def load_fact(
    connection: Connection, space: str, key: str, *, base: int | None, superstep: str = ""
) -> FactRecord | None:
    """Return one fact as it counts, or None.

    In a named space, and without a base, the newest counts. In a thread's own space versions of
    abandoned branches lie beside those of the branch that runs; of what is newer than the version
    that the branch knows, only what its own superstep promoted counts, and a person's word on
    either.
    """
    if base is None or is_shared_space(space):
        row = connection.run("load_newest_fact", (space, key)).fetchone()
        return None if row is None else parse_fact(connection, row)
    below = NEWEST
    while True:
        place = (space, key, base, superstep, below)
        row = connection.run("load_fact_since", place).fetchone()
        if row is None:
            return _load_version(connection, space, key, base)
        fact = parse_fact(connection, row)
        if _counts(connection, fact, base=base, superstep=superstep):
            return fact
        below = fact.version


def _counts(connection: Connection, fact: FactRecord, *, base: int, superstep: str) -> bool:
    """Return whether a fact is of the branch that knows a version: a person's, if what it replaces is."""
    while fact.made.is_by_person:
        replaced = fact.replaces or 0
        if replaced <= base:
            return replaced == base
        before = _load_version(connection, fact.space, fact.key, replaced)
        if before is None:
            return False
        fact = before
    return fact.made.kind == "promotion" and fact.made.superstep == superstep


def _load_version(connection: Connection, space: str, key: str, version: int) -> FactRecord | None:
    row = connection.run("load_fact_version", (space, key, version)).fetchone()
    return None if row is None else parse_fact(connection, row)


def _lock(connection: Connection, promotion: Promotion) -> None:
    """Keep other writers out of every named space that counts; the thread's lane is locked."""
    spaces = {*promotion.spaces.values(), *(source.space for source in promotion.sources)}
    for space in sorted(filter(is_shared_space, spaces)):
        connection.lock(space)


def _write(
    connection: Connection, promotion: Promotion, space: str, entering: Mapping[str, EnteringFact]
) -> dict[str, FactRecord]:
    """Write one space's part of a promotion, and return the facts that are new."""
    fresh = {key: fact for key, fact in entering.items() if fact.kept is None}
    kept = {key: fact.why_kept for key, fact in entering.items() if fact.kept is not None}
    if not fresh and promotion.made.kind == "seed":
        return {}
    made = promotion.made.model_copy(update={"space": space, "kept": kept})
    version = _open_version(connection, made)
    facts = {
        key: FactRecord(
            space=space,
            key=key,
            version=version.version,
            value=fact.value,
            rule=fact.rule,
            plan_order=promotion.plan_order,
            made=version,
        )
        for key, fact in sorted(fresh.items())
    }
    for fact in facts.values():
        insert_fact(connection, fact)
    merged = {key: fact.rests_on.ref for key, fact in fresh.items() if fact.rests_on is not None}
    _note_sources(connection, facts, sources=promotion.sources, merged=merged)
    return facts


def _open_version(connection: Connection, made: ContextVersion) -> ContextVersion:
    """Append the next version of a space, and return it with its number."""
    (newest,) = connection.run("load_space_version", (made.space,)).fetchone()
    version = made.model_copy(update={"version": newest + 1})
    insert_version(connection, version)
    return version


def _note_sources(
    connection: Connection,
    facts: Mapping[str, FactRecord],
    *,
    sources: Iterable[FactRef],
    merged: Mapping[str, FactRef],
) -> None:
    """Write down what new facts rest on; what was taken back before marks them at once.

    Args:
        connection: In the transaction.
        facts: Of one version, by key.
        sources: What all of them rest on.
        merged: What some were merged with.
    """
    shared = set(sources)
    own = {key: {*shared, *([merged[key]] if key in merged else ())} for key in facts}
    causes = {
        source: [tuple(row) for row in connection.run("load_causes", tuple(source)).fetchall()]
        for source in sorted(set().union(*own.values()))
    }
    rows: dict[tuple[object, ...], None] = {}
    marks: dict[tuple[object, ...], None] = {}
    for key, fact in facts.items():
        for source in sorted(own[key]):
            only = "" if source in shared else key
            rows[*source, fact.space, fact.version, only] = None
            marks.update(dict.fromkeys((*fact.ref, *cause) for cause in causes[source]))
    connection.run_many("insert_fact_source", list(rows))
    connection.run_many("insert_fact_mark", list(marks))


def list_resting(
    connection: Connection, fact: FactRef, *, does_lock: bool = False
) -> list[FactRef]:
    """Return a fact and all that rest on it, directly or not, the nearest first.

    Costs a look-up a fact and a version that rest on it.

    Args:
        connection: In a transaction.
        fact: Where to begin.
        does_lock: Whether each space is locked before its facts are looked at, so that a promotion
            under way there is either seen here, or sees what is written here.
    """
    found = {fact: None}
    todo = [fact]
    for here in todo:
        rows = connection.run("load_versions_resting_on", tuple(here)).fetchall()
        for space, version, only in rows:
            if does_lock:
                (thread_id,) = connection.run("load_thread_of_version", (space, version)).fetchone()
                connection.lock(name_lane(space, thread_id))
            keys = [(only,)]
            if not only:
                keys = connection.run("load_keys_of_version", (space, version)).fetchall()
            for (key,) in keys:
                resting = FactRef(space, key, version)
                if resting not in found:
                    found[resting] = None
                    todo.append(resting)
    return list(found)


def _keep_published(
    connection: Connection, thread_id: ThreadId, facts: Mapping[str, FactRecord]
) -> tuple[dict[str, Plain], dict[str, PayloadHash]]:
    """Return the values that an outcome publishes, and the hashes of the big ones."""
    published = {key: fact.value for key, fact in facts.items() if not is_big(fact.value)}
    refs: dict[str, PayloadHash] = {}
    for key in facts.keys() - published.keys():
        data = encode_plain(facts[key].value)
        rows = derive_payload_rows(thread_id, handoffs=(), payloads=(data,))
        insert_payloads(connection, rows)
        refs[key] = derive_bytes_hash(data)
    return published, refs
