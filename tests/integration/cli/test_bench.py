"""`interlock bench makespan`: figures beside plain LangGraph, and whether the aims hold."""

import json
import re
from typing import Any

import pytest

from tests.integration.cli.shell import Shell, require_clean


def task(number: int, seconds: float, *deps: int) -> dict[str, Any]:
    """Return a recorded task."""
    return {"id": number, "kind": "sleep", "seconds": seconds, "deps": deps}


TINY = {"name": "tiny", "tasks": [task(0, 1), task(1, 4), task(2, 4, 0), task(3, 1, 1)]}
"""Two chains of 5; in two waves, each of which lasts 4, they take 8: 1.6 x the critical path."""


def test_a_graph_is_measured_beside_langgraph(shell: Shell) -> None:
    """Figures are a JSON document; they respect what the graph makes possible, and so do the aims."""
    (shell.folder / "tiny.json").write_text(json.dumps(TINY), encoding="utf-8")
    done = shell.run(
        "bench", "makespan", ".", "--critical-path-seconds", "0.2", "--rounds", "2", "--json"
    )
    (row,) = done.data["rows"]
    assert (row["graph"], row["steps"], row["critical_path_seconds"]) == ("tiny", 4, 0.2)
    assert row["interlock_ratio"] >= 1
    assert row["tasks_ratio"] >= 1
    assert row["waves_ratio"] >= 1.6
    for name in ("interlock", "waves", "tasks"):
        assert row[f"{name}_cpu_ms"] > 0
        assert row[f"{name}_bytes"] > 0
    assert row["extra_cpu_ms"] == row["interlock_cpu_ms"] - row["tasks_cpu_ms"]
    aims = done.data["aims"]
    assert (aims["interlock_ratio"], aims["extra_cpu_ms"]) == (1.10, 3.0)
    is_missed = [row["interlock_ratio"] > 1.10, row["extra_cpu_ms"] > 3.0]
    assert len(aims["misses"]) == sum(is_missed)
    assert (aims["hold"], done.code) == ((False, 3) if any(is_missed) else (True, 0))
    assert done.err.startswith("1/1  tiny: 4 steps, 2 rounds\n")
    assert len(re.findall(r"^  round [12]/2 .*\d s$", done.err, re.MULTILINE)) == 6


def test_people_get_a_table_that_fits_a_terminal(shell: Shell) -> None:
    """The table explains itself in 80 columns, and its last line judges the aims."""
    (shell.folder / "tiny.json").write_text(json.dumps(TINY), encoding="utf-8")
    done = shell.run(
        "bench", "makespan", "tiny.json", "--critical-path-seconds", "0.2", "--rounds", "1"
    )
    require_clean(done.out)
    *lines, _, verdict = done.out.splitlines()
    assert max(map(len, lines)) < 80
    assert lines[0].split() == [
        "GRAPH",
        "STEPS",
        "WALL/PATH",
        "CPU",
        "MS",
        "ABOVE",
        "@TASK",
        "BYTES",
    ]
    assert lines[1].split() == ["tiny", "4"]
    assert [line.split("  ")[1] for line in lines[2:5]] == [
        "interlock",
        "LangGraph waves",
        "bare @task",
    ]
    words = "The aims hold: " if done.code == 0 else "The aims do not hold (at most 1.10 x "
    assert verdict.startswith(words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no JSON at line 1"),
        ("[]", "name: Field required"),
        ({"name": "x", "tasks": []}, "there are no tasks"),
        ({"name": "x", "tasks": [{"id": 0, "kind": "a", "deps": []}]}, "tasks.0.seconds: Field"),
        ({"name": "x", "tasks": [task(0, -1)]}, "greater than or equal to 0"),
        ({"name": "x", "tasks": [task(0, 0)]}, "no task takes any time"),
        ({"name": "x", "tasks": [task(0, 1), task(0, 1)]}, "task 0 is there twice"),
        ({"name": "x", "tasks": [task(0, 1, 1), task(1, 1, 0)]}, "task 0 waits for task 1, which"),
    ],
)
def test_what_is_no_recorded_graph_is_refused_before_anything_runs(
    shell: Shell, content: object, words: str
) -> None:
    """A bad file is named with what is wrong in it, and the good ones beside it are not run."""
    text = content if isinstance(content, str) else json.dumps(content)
    (shell.folder / "bad.json").write_text(text, encoding="utf-8")
    (shell.folder / "tiny.json").write_text(json.dumps(TINY), encoding="utf-8")
    done = shell.call("bench", "makespan", "tiny.json", "bad.json")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: 'bad.json' is not a recorded task graph: ")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_a_path_without_graphs_is_refused(shell: Shell) -> None:
    """A file that is not there, and a folder that holds none, are named."""
    missing = shell.call("bench", "makespan", "none.json", "--json")
    assert (missing.code, "'none.json'" in missing.data["error"]["message"]) == (2, True)
    assert "(*.json) in '.'" in shell.call("bench", "makespan", ".").err
