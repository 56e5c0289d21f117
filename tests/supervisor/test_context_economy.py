"""What a worker is sent is a function of its step alone; shown by counting what models receive."""

import json

import pytest
from typer.testing import CliRunner

from interlock.bench.context_contenders import CONTENDERS, Sent
from interlock.bench.context_economy import ContextRow, list_misses
from interlock.cli.main import app


def test_ours_stay_flat_and_the_others_grow() -> None:
    """In one run, our last worker is sent the same at 5 and at 15 steps; the others' is sent more."""
    done = CliRunner().invoke(app, ["bench", "context", "--steps", "5", "--steps", "15", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["contender"]: row["sent"] for row in json.loads(done.stdout)["rows"]}
    assert set(rows) == set(CONTENDERS)
    last = {
        name: (sent["5"]["last_worker"], sent["15"]["last_worker"]) for name, sent in rows.items()
    }
    for name in ("interlock plan", "il.create_supervisor"):
        assert last[name][0] == last[name][1] > 400  # with the last note, and no older one
    for name in ("langgraph-supervisor", "plain chain"):
        assert last[name][1] > 2 * last[name][0]


@pytest.mark.slow
async def test_the_same_characters_at_10_and_at_200() -> None:
    """The sizes that are published: equal to the character."""
    for name in ("interlock plan", "il.create_supervisor"):
        short, long = [await CONTENDERS[name](steps) for steps in (10, 200)]
        assert short.last_worker == long.last_worker


def test_a_worker_that_is_sent_more_is_a_miss() -> None:
    """The aim is missed as soon as one of ours sends its last worker more for more steps."""
    sent = {10: Sent(last_worker=500, all_workers=1), 50: Sent(last_worker=501, all_workers=1)}
    ours = ContextRow(contender="interlock plan", sent=sent)
    theirs = ContextRow(contender="plain chain", sent=sent)
    (miss,) = list_misses([ours, theirs])
    assert "interlock plan" in miss
    assert "[500, 501]" in miss
