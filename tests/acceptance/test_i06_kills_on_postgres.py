"""I6 on PostgreSQL: a real process is killed around its commits, resumed, and compared."""

import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.acceptance.six_step_results import count_starts, read, require_same
from tests.acceptance.six_steps import CALL
from tests.acceptance.zygote import Zygote, open_zygotes, run_all
from tests.postgres.postgres_server import PostgresServer
from tests.raw_database import open_raw

PROCESSES = 3
SIDES = ("before", "after")


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return processes that fork quickly."""
    with open_zygotes(PROCESSES) as opened:
        yield opened


class Kills:
    """Runs that are killed around one commit each, in a schema each."""

    def __init__(self, postgres: PostgresServer, folder: Path, whole: Path) -> None:
        """Compare with a run that was left alone."""
        self._postgres = postgres
        self._folder = folder
        self._whole = whole

    def crash(self, side: str, index: int, zygote: Zygote) -> bool:
        """Kill a run around a commit, resume it, compare; return whether it came so far."""
        directory = self._folder / f"{side}{index}"
        directory.mkdir()
        schema = self._postgres.name_schema()
        url = self._postgres.build_url(schema)
        call = partial(zygote.run, CALL, directory=str(directory), url=url)
        code = call(side=side, index=index)
        assert code in {0, -signal.SIGKILL}
        if code != 0:
            before, settled = count_starts(directory), list_settled(url)
            assert call() == 0
            again = count_starts(directory) - before
            assert not {start.split()[0] for start in again} & settled
        require_same(directory, self._whole, kills=1)
        self._postgres.drop_schema(schema)
        return code != 0


def list_settled(url: str) -> set[str]:
    """Return the steps whose outcome is durable and terminal, read without our own code."""
    with open_raw(url) as raw:
        if "outcomes" not in raw.list_tables():
            return set()
        rows = raw.execute("SELECT step_id FROM outcomes WHERE status <> 'waiting'")
    return {step for (step,) in rows}


@pytest.fixture
def kills(postgres: PostgresServer, zygotes: Sequence[Zygote], tmp_path: Path) -> Kills:
    """Return what kills runs, and compares them with one that was left alone."""
    whole = tmp_path / "whole"
    whole.mkdir()
    url = postgres.build_url(postgres.name_schema())
    assert zygotes[0].run(CALL, directory=str(whole), url=url) == 0
    return Kills(postgres, tmp_path, whole)


def test_i06_killed_around_commits(zygotes: Sequence[Zygote], kills: Kills, tmp_path: Path) -> None:
    """I6: kill -9 before or after every sixth commit; the resumed run is the uninterrupted one."""
    commits = read(tmp_path / "whole")["commits"]
    cases = [partial(kills.crash, side, n) for n in range(1, commits, 6) for side in SIDES]
    assert sum(run_all(zygotes, cases)) > len(cases) // 2


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_i06_killed_at_every_commit(
    zygotes: Sequence[Zygote], kills: Kills, tmp_path: Path
) -> None:
    """I6: the same at every commit."""
    commits = read(tmp_path / "whole")["commits"]
    cases = [partial(kills.crash, side, n) for n in range(1, commits + 12) for side in SIDES]
    assert sum(run_all(zygotes, cases)) >= commits
