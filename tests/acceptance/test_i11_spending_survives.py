"""I11: model calls that kill -9 cut off count in full, and no resume spends them again."""

import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.acceptance.spending_lives import CALL, MOST_CALLS
from tests.acceptance.zygote import Zygote, open_zygotes

KILLS = 5


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return a process that forks quickly."""
    with open_zygotes(1) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["planner", "worker", "nested"])
def test_i11_over_five_kills_no_more_is_spent_than_the_budget(
    zygotes: Sequence[Zygote], tmp_path: Path, kind: str
) -> None:
    """A planner without end, a worker that loops, a nested team: degraded, and the result says why."""
    for _ in range(KILLS):
        arguments = {"directory": str(tmp_path), "kind": kind}
        assert zygotes[0].run(CALL, **arguments, fatal=2) == -signal.SIGKILL
    assert zygotes[0].run(CALL, **arguments, fatal=0) == 0
    said = json.loads((tmp_path / "result").read_text("utf-8"))
    assert (tmp_path / "calls").read_text("utf-8").splitlines() == ["call"] * MOST_CALLS
    assert said["calls"] == MOST_CALLS
    assert said["status"] == "degraded"
    assert any(f"budget of {MOST_CALLS} model calls" in words for words in said["words"])
