"""PostgreSQL's connections are cut and the server crashes under many runs: every run ends right."""

import asyncio
import random
from pathlib import Path

import pytest

import interlock as il
from interlock.checkpoints.postgresql import postgres_database
from tests.acceptance.runs_under_fire import run_under_fire
from tests.integration.teams import build_desk, give
from tests.postgres.postgres_server import PostgresServer


class Cuts:
    """Ends a few connections at random instants, and counts them."""

    def __init__(self, server: PostgresServer) -> None:
        """Cut nothing yet."""
        self.server = server
        self.count = 0

    async def __call__(self, draw: random.Random) -> None:
        """Wait a moment and cut."""
        await asyncio.sleep(draw.uniform(0.01, 0.15))
        cut = await asyncio.to_thread(self.server.cut_connections, most=draw.randint(1, 4))
        self.count += cut


class Crashes:
    """Restarts the server at random instants, without warning."""

    def __init__(self, server: PostgresServer, *, most: int) -> None:
        """Restart nothing yet.

        Args:
            server: The server.
            most: How often it is restarted.
        """
        self.server = server
        self.most = most
        self.count = 0

    async def __call__(self, draw: random.Random) -> None:
        """Wait a moment and restart."""
        await asyncio.sleep(draw.uniform(0.3, 1.5))
        if self.count < self.most:
            await asyncio.to_thread(self.server.restart)
            self.count += 1


async def test_i06_connections_cut_at_random(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    """I6: `pg_terminate_backend` under 20 runs: each ends as one that was left alone."""
    cuts = Cuts(postgres)
    lives = await run_under_fire(postgres_url, tmp_path, runs=20, disturb=cuts)
    assert len(lives) == 20
    assert cuts.count > 5


async def test_i06_the_server_crashes(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    """I6: the server is restarted without warning under 20 runs: nothing acknowledged is lost."""
    crashes = Crashes(postgres, most=3)
    lives = await run_under_fire(postgres_url, tmp_path, runs=20, disturb=crashes)
    assert len(lives) == 20
    assert crashes.count == 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_i06_connections_cut_at_random_in_a_campaign(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    """I6: the same under 200 runs."""
    cuts = Cuts(postgres)
    lives = await run_under_fire(postgres_url, tmp_path, runs=200, disturb=cuts)
    assert len(lives) == 200
    assert cuts.count > 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_i06_the_server_crashes_in_a_campaign(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    """I6: the same, restarted over and over under 200 runs."""
    crashes = Crashes(postgres, most=40)
    lives = await run_under_fire(postgres_url, tmp_path, runs=200, disturb=crashes)
    assert len(lives) == 200
    assert crashes.count > 10


async def test_the_next_run_after_all_connections_were_cut_succeeds(
    postgres: PostgresServer, postgres_url: str
) -> None:
    """Row 43: idle connections that died are noticed before they are used, not by a failed run."""
    async with build_desk({"work": give(1)}, storage=postgres_url) as desk:
        for number in range(4):
            assert (await desk.ainvoke("Test", thread_id=f"t{number}")).status == "completed"
            assert await asyncio.to_thread(postgres.cut_connections) > 0


async def test_a_server_that_is_down_is_a_typed_error_without_the_password(
    postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is down calls fail in words after a while; once it is back the same storage works."""
    monkeypatch.setattr(postgres_database, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(postgres_database, "_CONNECT_SECONDS", 0.5)
    async with build_desk({"work": give(1)}, storage=postgres_url) as desk:
        await asyncio.to_thread(postgres.control, "stop", "-m", "immediate")
        try:
            with pytest.raises(il.StorageError) as caught:
                await desk.ainvoke("Test", thread_id="t")
        finally:
            await asyncio.to_thread(postgres.control, "start")
        assert "canary-pass-word" not in f"{caught.value} {caught.value.__cause__}"
        monkeypatch.undo()
        assert (await desk.ainvoke("Test", thread_id="u")).outputs == {"work": 1}
