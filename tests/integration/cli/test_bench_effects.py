"""`interlock bench effects`: what the guard costs, beside the bare tool and a DBOS step."""

import re

import pytest

import interlock as il
from interlock.bench import effects as bench
from interlock.bench.effect_contenders import CONTENDERS, CallPlan
from interlock.bench.stopwatch import Elapsed
from tests.integration.cli.shell import Shell, require_clean

NAMES = [
    "bare tool",
    "guarded",
    "guarded, duplicate",
    "guarded, same database",
    "DBOS step",
]
FEW = ("bench", "effects", "--calls", "6", "--at-once", "3", "--rounds", "1")


def test_programs_get_a_row_for_each_contender(shell: Shell) -> None:
    """Every contender is measured in a row and at once; what it adds is told from the tool's wait."""
    done = shell.run(*FEW, "--tool-ms", "2", "--json")
    assert done.code == 0, done.err
    rows = done.data["rows"]
    assert [(row["contender"], row["at_once"]) for row in rows] == [
        (name, at_once) for at_once in (1, 3) for name in NAMES
    ]
    assert done.data["tool_ms"] == 2
    by_name = {row["contender"]: row for row in rows if row["at_once"] == 1}
    bare = by_name["bare tool"]
    assert bare["wall_ms"] >= 2
    assert bare["cost_ms"] == 0
    for name in ("guarded", "DBOS step"):
        assert by_name[name]["cost_ms"] == by_name[name]["wall_ms"] - bare["wall_ms"]
    for name in ("guarded, duplicate", "guarded, same database"):
        assert by_name[name]["cost_ms"] == by_name[name]["wall_ms"]
    assert all(row["cpu_ms"] > 0 and row["calls"] == 6 for row in rows)
    assert len(re.findall(r"^ .*\d s$", done.err, re.MULTILINE)) == 10


@pytest.mark.slow
def test_people_get_a_table_that_fits_a_terminal(shell: Shell) -> None:
    """The table explains itself in 80 columns, and nothing but it goes to stdout."""
    done = shell.run(*FEW, "--tool-ms", "0")
    require_clean(done.out)
    lines = done.out.splitlines()
    assert max(map(len, lines)) < 80
    assert lines[0].split() == [
        "CALLS",
        "WALL",
        "MS",
        "COST",
        "MS",
        "OF",
        "DBOS",
        "CPU",
        "MS",
        "OF",
        "DBOS",
        "CALLS/S",
    ]
    assert [line.strip().split("  ")[0] for line in lines[2:7]] == NAMES


@pytest.mark.parametrize("option", [["--calls", "0"], ["--at-once", "1"], ["--tool-ms", "-1"]])
def test_what_cannot_be_measured_is_refused(shell: Shell, option: list[str]) -> None:
    """A number that makes no sense is a usage error."""
    assert shell.run("bench", "effects", *option).code == 2


def test_figures_of_a_contender_that_made_other_effects_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever does not do the work is not timed."""

    async def cheat(plan: CallPlan, folder: object) -> Elapsed:
        return Elapsed(wall_seconds=0.0, cpu_seconds=0.0)

    monkeypatch.setattr(bench, "CONTENDERS", {**CONTENDERS, "guarded": cheat})
    with pytest.raises(il.ContractError, match="guarded made 0 effects where 3"):
        bench.measure_effects(calls=3, at_once=(1,), tool_seconds=0, rounds=1, tell=lambda *_: None)
