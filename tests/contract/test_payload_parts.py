"""Payloads in parts: big parts are stored once, and every payload comes back whole."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.checkpoints import SqlStorage
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import PayloadHash, ThreadId
from interlock.contracts.plain import derive_bytes_hash, derive_hash, encode_plain
from interlock.contracts.storage import Batch

T = ThreadId("t")
LONG = 'é\n"\\' * 20_000
ROWS = [{"id": number, "name": f"row {number}"} for number in range(5_000)]

big_leaves = st.sampled_from([LONG, "x" * 30_000, ROWS, dict.fromkeys(map(str, range(9_000)), 1.5)])
small = st.none() | st.integers(-9, 9) | st.floats(-1, 1) | st.text('aé"\\\n\x00', max_size=3)
values = st.recursive(
    small | big_leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text('abé"', max_size=3), inner, max_size=4)
    ),
    max_leaves=8,
)


async def read_rows(storage: SqlStorage) -> tuple[int, int]:
    """Return how many payload rows there are, and how many bytes they hold."""
    rows: tuple[int, int] = await storage._database.read(
        lambda c: c.execute("SELECT count(*), sum(length(data)) FROM payloads").fetchone()
    )
    return rows


async def test_a_part_of_many_payloads_is_stored_once(
    storage: SqlStorage, make_handoff: Callable[..., Handoff]
) -> None:
    """However it is wrapped, and if it is a payload itself; journal and hash give it whole."""
    wrapped: list[Any] = [
        LONG,
        {"text": LONG},
        [1, LONG, 2, LONG],
        {"b": {"deep": [LONG, None]}, "a": "small", "": 0},
        {"rows": ROWS, "text": LONG},
        {"again": {"rows": ROWS}},
    ]
    handoffs = [make_handoff(attempt=n, payload=value) for n, value in enumerate(wrapped)]
    await storage.commit(T, Batch(handoffs=handoffs[:3]))
    await storage.commit(T, Batch(handoffs=handoffs[3:], payloads=[encode_plain(wrapped[1])]))
    assert await storage.load_handoffs(T, payloads=True) == handoffs
    for value in wrapped:
        assert await storage.load_payload(T, derive_hash(value)) == value
    count, size = await read_rows(storage)
    assert count == 7  # the text, the rows, and five that hold them
    assert size < len(encode_plain(LONG)) + len(encode_plain(ROWS)) + 500


@given(drawn=st.lists(values, max_size=4))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_every_value_comes_back_as_it_was(storage: SqlStorage, drawn: list[Any]) -> None:
    """By its hash, which is that of the whole encoding, whatever it is cut into."""
    await storage.commit(T, Batch(payloads=[encode_plain(value) for value in drawn]))
    for value in drawn:
        loaded = await storage.load_payload(T, derive_hash(value))
        assert encode_plain(loaded) == encode_plain(value)


@pytest.mark.parametrize(
    "data",
    [b"1" * 100_000, b'{ "a": "' + b"x" * 50_000 + b'" }', b'{"b":[],"a":"%b"}' % (b"y" * 50_000)],
)
async def test_what_is_not_canonical_stays_as_it_is(storage: SqlStorage, data: bytes) -> None:
    """A payload is never put together as other bytes than were hashed."""
    await storage.commit(T, Batch(payloads=[data]))
    kept = await storage._database.read(
        lambda c: c.execute("SELECT hash, data, cuts FROM payloads").fetchall()
    )
    assert kept == [(derive_bytes_hash(data), data, None)]


async def test_a_copied_thread_has_what_its_checkpoints_refer_to(storage: SqlStorage) -> None:
    """Copying a thread's checkpoints copies the big values that they name by hash."""
    value = {"text": LONG}
    reference: PayloadHash = derive_hash(value)
    await storage.commit(T, Batch(payloads=[encode_plain(value)]))
    await storage.checkpointer.acopy_thread("t", "copy")
    assert await storage.load_payload(ThreadId("copy"), reference) == value
