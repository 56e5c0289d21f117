"""Half-open breakers: a probe's place comes free when its process is killed, and not before."""

import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from interlock.checkpoints import open_storage
from tests.acceptance.probing_lives import CALL, COOL_DOWN, PROBES
from tests.acceptance.zygote import Zygote, open_zygotes, run_all
from tests.contract.conftest import build_url

PROCESSES = 3
ALONE, ANSWERED = "left alone", "answered"


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return processes that fork quickly."""
    with open_zygotes(PROCESSES) as opened:
        yield opened


class Lives:
    """Processes of one storage, all at once at an instant of their clocks."""

    def __init__(self, zygotes: Sequence[Zygote], folder: Path, url: str) -> None:
        """Start none yet."""
        self._zygotes = zygotes
        self._folder = folder
        self._url = url

    def live(self, at: int, act: str, *, count: int = PROCESSES, threads: str = "") -> list[str]:
        """Return what each run gave, or that its process was killed, those left alone last."""
        names = [f"{threads or at}-{number}" for number in range(count)]
        return sorted(
            run_all(self._zygotes, [partial(self._live, n, at, act) for n in names]),
            key=["killed", ANSWERED, ALONE].index,
        )

    def _live(self, thread: str, at: int, act: str, zygote: Zygote) -> str:
        arguments = {"directory": str(self._folder), "url": self._url}
        code = zygote.run(CALL, **arguments, thread=thread, at=at, act=act)
        if code == -signal.SIGKILL:
            return "killed"
        assert code == 0
        return (self._folder / f"{thread}.{at}").read_text("utf-8")


async def find_state(url: str) -> str:
    """Return the breaker's state."""
    async with open_storage(url) as storage:
        record = await storage.limits.find("worker/work")
    assert record is not None
    return record.state


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_places_of_killed_probes_come_free(
    request: pytest.FixtureRequest, zygotes: Sequence[Zygote], tmp_path: Path, kind: str
) -> None:
    """Of three processes two probe and are killed; after a cool-down two others may, and it recovers."""
    url = build_url(kind, request, tmp_path)
    lives = Lives(zygotes, tmp_path, url)
    assert lives.live(0, "fail", count=1) == [ALONE]
    assert lives.live(COOL_DOWN - 1, "die") == [ALONE] * PROCESSES
    first = COOL_DOWN
    assert lives.live(first, "die") == ["killed"] * PROBES + [ALONE]
    assert lives.live(first + COOL_DOWN - 1, "die") == [ALONE] * PROCESSES  # still held
    second = first + COOL_DOWN
    assert lives.live(second, "die") == ["killed"] * PROBES + [ALONE]
    third = second + COOL_DOWN
    assert lives.live(third, "answer", count=1) == [ANSWERED]
    assert await find_state(url) == "half_open"
    assert lives.live(third + 1, "answer", count=1) == [ANSWERED]
    assert await find_state(url) == "closed"
    again = lives.live(third + 2, "answer", threads=str(first))  # two go on, one had ended
    assert again == [ANSWERED] * PROBES + [ALONE]
