import asyncio
import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from interlock.checkpoints import SqlStorage
from interlock.contracts.errors import LeaseLostError, ThreadBusyError
from interlock.contracts.handoff import Handoff
from interlock.contracts.storage import Batch

TTL = timedelta(seconds=10)
CONFIG = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
AT_CHECKPOINT = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c"}}


@pytest.fixture
async def two(lasting_url: str, clock: Any) -> AsyncIterator[Any]:
    """Two storages on one file."""
    first, second = SqlStorage(lasting_url, clock=clock), SqlStorage(lasting_url, clock=clock)
    await first.connect()
    await second.connect()
    yield first, second
    await first.aclose()
    await second.aclose()


async def test_every_acquisition_has_a_greater_token(storage: SqlStorage) -> None:
    """Tokens only grow, also over releases."""
    tokens = []
    for _ in range(3):
        lease = await storage.acquire_lease("t", ttl=TTL)
        tokens.append(lease.token)
        await storage.release_lease(lease)
    assert tokens == [1, 2, 3]


async def test_lease_says_who_holds_it_and_until_when(storage: SqlStorage, clock: Any) -> None:
    """A lease names its process and ends after its ttl."""
    lease = await storage.acquire_lease("t", ttl=TTL)
    assert str(os.getpid()) in lease.owner
    assert lease.expires_at == clock.now() + TTL


@pytest.mark.parametrize("turns", range(6))
async def test_a_caller_that_is_cancelled_leaves_the_thread_free(
    storage: SqlStorage, turns: int
) -> None:
    """Cancelled at any moment of taking a thread, a caller does not go on holding it."""
    taking = asyncio.create_task(storage.acquire_lease("t", ttl=TTL))
    for _ in range(turns):
        await asyncio.sleep(0)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    if taking.cancelled():
        assert (await storage.acquire_lease("t", ttl=TTL)).token in {1, 2}
    else:
        assert taking.result().token == 1


async def test_releasing_twice_at_once_is_harmless(storage: SqlStorage) -> None:
    """A run that is cut off gives its thread free while the storage gives all free."""
    lease = await storage.acquire_lease("t", ttl=timedelta(seconds=10))
    await asyncio.gather(storage.release_lease(lease), storage.release_lease(lease))
    assert await storage.find_lease("t") is None


async def test_second_run_of_the_same_process_is_kept_out(storage: SqlStorage, clock: Any) -> None:
    """A thread that this process holds cannot be taken by another run of it."""
    await storage.acquire_lease("t", ttl=TTL)
    clock.advance(4)
    with pytest.raises(ThreadBusyError) as caught:
        await storage.acquire_lease("t", ttl=TTL)
    assert caught.value.seconds_left == pytest.approx(6)


async def test_live_holder_is_not_taken_over_before_expiry(
    two: tuple[SqlStorage, SqlStorage], clock: Any
) -> None:
    """Another storage waits for a live holder's lease to end."""
    first, second = two
    lease = await first.acquire_lease("t", ttl=TTL)
    clock.advance(9)
    await first.renew_lease(lease, ttl=TTL)
    clock.advance(9)
    with pytest.raises(ThreadBusyError):
        await second.acquire_lease("t", ttl=TTL)
    clock.advance(1)
    assert (await second.acquire_lease("t", ttl=TTL)).token == 2


async def test_holder_that_was_taken_over_writes_nothing_more(
    two: tuple[SqlStorage, SqlStorage], clock: Any, make_handoff: Callable[..., Handoff]
) -> None:
    """After a takeover every kind of write of the old holder fails, and stays failing."""
    first, second = two
    lease = await first.acquire_lease("t", ttl=TTL)
    clock.advance(11)
    await second.acquire_lease("t", ttl=TTL)
    saver = first.checkpointer
    for attempt in (
        lambda: first.commit("t", Batch(handoffs=[make_handoff()])),
        lambda: saver.aput(CONFIG, empty_checkpoint(), {}, {}),
        lambda: saver.aput_writes(AT_CHECKPOINT, [("a", 1)], "task"),
        lambda: saver.adelete_thread("t"),
        lambda: saver.aprune(["t"]),
        lambda: first.renew_lease(lease, ttl=TTL),
    ):
        with pytest.raises(LeaseLostError):
            await attempt()
    await first.release_lease(lease)
    with pytest.raises(LeaseLostError):
        await first.commit("t", Batch(handoffs=[make_handoff()]))
    assert await second.load_handoffs("t") == []
    assert await second.checkpointer.aget_tuple(CONFIG) is None


async def test_lost_thread_can_be_acquired_again(
    two: tuple[SqlStorage, SqlStorage], clock: Any, make_handoff: Callable[..., Handoff]
) -> None:
    """A storage that lost a thread writes again only after it has taken it again."""
    first, second = two
    await first.acquire_lease("t", ttl=TTL)
    clock.advance(11)
    await second.release_lease(await second.acquire_lease("t", ttl=TTL))
    with pytest.raises(LeaseLostError):
        await first.commit("t", Batch(handoffs=[make_handoff()]))
    await first.acquire_lease("t", ttl=TTL)
    await first.commit("t", Batch(handoffs=[make_handoff()]))
    assert len(await second.load_handoffs("t")) == 1


async def test_expiry_alone_takes_nothing_from_the_holder(
    storage: SqlStorage, clock: Any, make_handoff: Callable[..., Handoff]
) -> None:
    """A holder whose lease ran out writes on as long as nobody took over."""
    lease = await storage.acquire_lease("t", ttl=TTL)
    clock.advance(60)
    await storage.commit("t", Batch(handoffs=[make_handoff()]))
    assert (await storage.renew_lease(lease, ttl=TTL)).expires_at == clock.now() + TTL


async def test_storage_without_a_lease_writes_only_to_free_threads(
    two: tuple[SqlStorage, SqlStorage], clock: Any
) -> None:
    """Raw use of the saver works on a free thread and is kept off a held one."""
    first, second = two
    await second.checkpointer.aput(CONFIG, empty_checkpoint(), {}, {})
    lease = await first.acquire_lease("t", ttl=TTL)
    with pytest.raises(ThreadBusyError):
        await second.checkpointer.aput(CONFIG, empty_checkpoint(), {}, {})
    await first.release_lease(lease)
    await second.checkpointer.aput(CONFIG, empty_checkpoint(), {}, {})


async def test_lost_lease_fails_only_its_own_write(
    two: tuple[SqlStorage, SqlStorage], clock: Any, make_handoff: Callable[..., Handoff]
) -> None:
    """In one shared transaction a write without a valid token fails alone."""
    first, second = two
    await first.acquire_lease("t", ttl=TTL)
    clock.advance(11)
    await second.acquire_lease("t", ttl=TTL)
    results = await asyncio.gather(
        first.commit("u", Batch(payloads=[b"1"])),
        first.commit("t", Batch(handoffs=[make_handoff()])),
        first.commit("v", Batch(payloads=[b"2"])),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == [
        "NoneType",
        "LeaseLostError",
        "NoneType",
    ]


async def test_namespaces_of_a_takeover_are_seen_by_the_old_holder(
    two: tuple[SqlStorage, SqlStorage], clock: Any
) -> None:
    """What the new holder wrote is read by the old one, whose memory of the thread is void."""
    first, second = two
    await first.acquire_lease("t", ttl=TTL)
    child = {"configurable": {"thread_id": "t", "checkpoint_ns": "child:1"}}
    assert await first.checkpointer.aget_tuple(child) is None
    clock.advance(11)
    await second.acquire_lease("t", ttl=TTL)
    await second.checkpointer.aput(child, empty_checkpoint(), {}, {})
    assert await first.checkpointer.aget_tuple(child) is not None
