"""I12: what is measured of a run is right when real processes were killed in it."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.six_steps import CALL
from tests.acceptance.zygote import Zygote, open_zygotes
from tests.metrics.recount_columns import find_wrong
from tests.metrics.recount_compare import compare_url
from tests.metrics.recount_rows import read_url


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    """Return a process that forks quickly."""
    with open_zygotes(1) as (opened,):
        yield opened


def live_killed(zygote: Zygote, folder: Path, *, url: str, index: int) -> int:
    """Run six steps in a process that dies at a commit, then in one that goes on; with people."""
    folder.mkdir()
    arguments = {"directory": str(folder), "url": url, "is_asked": True, "answers": "all"}
    code = zygote.run(CALL, side="after", index=index, **arguments)
    assert zygote.run(CALL, **arguments) == 0
    return code


async def find_all_wrong(url: str) -> list[str]:
    """Return what is wrong with the columns, and where metrics and recount differ."""
    return [*find_wrong(await read_url(url)), *await compare_url(url)]


@pytest.mark.parametrize(
    "index", [17, *(pytest.param(n, marks=pytest.mark.slow) for n in range(5, 48, 3))]
)
def test_i12_a_killed_run_is_measured_right(zygote: Zygote, tmp_path: Path, index: int) -> None:
    """Kill -9 after a commit: the rows of both lives together say what happened, and are counted so."""
    url = f"sqlite:///{tmp_path}/run.db"
    code = live_killed(zygote, tmp_path / "life", url=url, index=index)
    assert code == -signal.SIGKILL
    assert not asyncio.run(find_all_wrong(url))


@pytest.mark.slow
@pytest.mark.parametrize("index", [9, 14, 19, 24, 29, 34])
def test_i12_a_killed_run_is_measured_right_on_postgresql(
    zygote: Zygote, tmp_path: Path, postgres_url: str, index: int
) -> None:
    """The same on a server, which outlives its client."""
    code = live_killed(zygote, tmp_path / "life", url=postgres_url, index=index)
    assert code == -signal.SIGKILL
    assert not asyncio.run(find_all_wrong(postgres_url))
