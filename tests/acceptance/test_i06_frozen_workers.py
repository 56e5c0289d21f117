"""I5, I6: a process frozen past its lease (SIGSTOP) and woken (SIGCONT) commits nothing."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.frozen_worker import CALL
from tests.acceptance.zygote import Zygote, open_zygotes
from tests.postgres.waiting_until import wait_until
from tests.raw_database import dump_rows

MOMENTS = ("before the tool", "in the tool", "after the effect", "after the tool")


@pytest.fixture(scope="module")
def zygotes() -> Iterator[Sequence[Zygote]]:
    """Return processes that fork quickly."""
    with open_zygotes(2) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a storage that processes can share, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/run.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


def read_end(folder: Path, name: str) -> dict[str, Any]:
    """Return how a process says that the run has ended."""
    said: dict[str, Any] = json.loads((folder / f"end-{name}").read_text())
    return said


def dump_without_marks(url: str) -> dict[str, list[str]]:
    """Return every row but those with which PostgreSQL connections count their own commits."""
    return {name: rows for name, rows in dump_rows(url).items() if name != "commit_marks"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_frozen_process_that_was_taken_over_changes_nothing(
    zygotes: Sequence[Zygote], tmp_path: Path, url: str, moment: str
) -> None:
    """Row 55: frozen anywhere in a step, taken over, woken: not one row more, one effect."""
    freeze_and_take_over(zygotes, tmp_path, url, moment)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_process_frozen_inside_a_transaction_gives_its_locks_up(
    zygotes: Sequence[Zygote], tmp_path: Path, postgres_url: str
) -> None:
    """Row 55: PostgreSQL ends the transaction after half a minute; then all is as elsewhere."""
    freeze_and_take_over(zygotes, tmp_path, postgres_url, "in a transaction")


def freeze_and_take_over(zygotes: Sequence[Zygote], tmp_path: Path, url: str, moment: str) -> None:
    """Freeze a process at a moment, let another finish its run, wake it, and compare."""
    first, second = zygotes
    pid = first.start(CALL, directory=str(tmp_path), url=url, name="A", moment=moment)
    wait_until((tmp_path / "standing").exists, seconds=30, what=moment)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert second.run(CALL, directory=str(tmp_path), url=url, name="B") == 0
        before = dump_without_marks(url)
    finally:
        (tmp_path / "go").touch()
        os.kill(pid, signal.SIGCONT)
    assert first.wait() == 0
    assert read_end(tmp_path, "A") == {"error": "LeaseLostError"}
    payer = "B" if moment in {"before the tool", "in the tool"} else "A"
    (paid,) = tmp_path.glob("paid-*")
    assert paid.read_text() == f"o1 paid by {payer}"
    assert read_end(tmp_path, "B") == {
        "status": "completed",
        "outputs": {
            "first": "made by A",
            "pay": f"o1 paid by {payer}, said by B",
            "last": "made by B",
        },
    }
    after = dump_without_marks(url)
    if moment == "in the tool":  # its answer came late: that is a fact, and noted beside the first
        assert any("late answer" in row for row in after["effect_moves"])
        before, after = ({**rows, "effect_moves": []} for rows in (before, after))
    assert after == before
    starts = (tmp_path / "starts").read_text().splitlines()
    assert starts == ["first A", "pay A", "pay B", "last B"]
