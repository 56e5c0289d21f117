"""`graph`, `schema` and `--plan`: what can be looked at, and checked, before anything runs."""

import json
import re

import jsonschema
import pytest
import yaml

import interlock as il
from interlock.cli.drawing import find_problems
from tests.integration.cli.shell import Shell

GOOD = """\
goal: Answer ticket 17
steps:
  - id: order
    worker: reader
    instruction: Find the order
    retry: {max_attempts: 2, backoff: 0}
  - id: reply
    worker: writer
    instruction: "Write \\"hello\\" (with care) [now]"
    needs: [order]
    inputs: {status: order.status}
    criteria:
      - {kind: expr, expression: size(output.text) < 100}
    fallback:
      - {kind: skip, gap: no reply}
"""
BAD = """\
goal: Answer ticket 17
steps:
  - {id: a, worker: reder, instruction: x, needs: [b]}
  - {id: b, worker: writer, instruction: x, needs: [a, nobody]}
  - {id: c, worker: writer, instruction: x, criteria: [{kind: expr, expression: "size("}]}
"""


@pytest.fixture
def folder(shell: Shell) -> Shell:
    """A folder with a good plan, as YAML and JSON, and a bad one."""
    (shell.folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    (shell.folder / "good.json").write_text(json.dumps(yaml.safe_load(GOOD)), encoding="utf-8")
    (shell.folder / "bad.yaml").write_text(BAD, encoding="utf-8")
    return shell


def test_the_team_is_drawn_with_readable_names(shell: Shell) -> None:
    """`graph` draws the compiled graph: routing nodes, the step graph inside, and its workers."""
    done = shell.run("graph", "app:desk")
    assert (done.code, done.err) == (0, "")
    shown = re.findall(r"\((\w+)<hr/><small><em>role = (\w+)</em></small>\)", done.out)
    assert set(shown) >= {
        ("planner", "planner"),
        ("supervisor", "supervisor"),
        ("escalate", "person"),
        ("review", "supervisor"),
        ("reader", "worker"),
        ("refuser", "worker"),
    }
    assert "    subgraph dispatch" in done.out
    assert "description" not in done.out
    assert shell.call("graph", "app:desk", "--json").data["mermaid"].split() == done.out.split()


NESTED = """\
import interlock as il
from app import desk

def nest(inner, *names):
    plan = il.TaskGraph(goal="x", steps=[il.Step(id="a", worker=names[0], instruction="x")])
    workers = [il.Worker(name=name, agent=inner) for name in names]
    return il.Orchestrator(workers=workers, planner=plan, storage="memory://")

outer = nest(nest(desk, "helpers"), "left", "right")
"""


def test_teams_within_teams_are_drawn_each_under_a_name_of_its_own(shell: Shell) -> None:
    """No two subgraphs share a name, at any depth, and every node stands in one of them."""
    (shell.folder / "nested.py").write_text(NESTED, encoding="utf-8")
    done = shell.call("graph", "nested:outer")
    assert (done.code, done.err) == (0, "")
    names = re.findall(r"subgraph (\w+)", done.out)
    assert len(names) == len(set(names)) == 9
    assert {"dispatch", "left", "right", "left_dispatch", "right_dispatch"} < set(names)
    assert done.out.count("(reader<hr/>") == 2


@pytest.mark.parametrize("name", ["good.yaml", "good.json"])
def test_a_good_plan_is_drawn(folder: Shell, name: str) -> None:
    """A plan is drawn as Mermaid, by itself or against a team; labels hold no syntax."""
    for team in ((), ("app:desk",)):
        done = folder.call("graph", *team, "--plan", name)
        assert (done.code, done.err) == (0, "")
        head, order, reply, edge = done.out.splitlines()
        assert head == "flowchart TD"
        assert order == '    s0["<b>order</b><br/>reader<br/>Find the order"]'
        assert "Write #34;hello#34; #40;with care#41; #91;now#93;" in reply
        assert edge == "    s0 --> s1"
    assert folder.call("graph", "--plan", name, "--json").data["problems"] == []


def test_a_bad_plan_is_drawn_with_every_problem(folder: Shell) -> None:
    """All problems are listed at once, with what comes near; the drawing shows what is unknown."""
    done = folder.call("graph", "app:desk", "--plan", "bad.yaml")
    assert done.code == 2
    assert 'u0["nobody is unknown"]:::unknown' in done.out
    assert done.err.startswith("The task graph has 4 problems:\n")
    for words in ("'reder'", "'nobody'", "need each other in a ring", "size("):
        assert words in done.err
    data = folder.call("graph", "app:desk", "--plan", "bad.yaml", "--json").data
    assert {problem["code"] for problem in data["problems"]} >= {"unknown_worker", "cycle"}
    alone = folder.call("graph", "--plan", "bad.yaml")
    assert alone.err.startswith("The task graph has 3 problems:\n")
    assert "'reder'" not in alone.err  # without a team, every worker is taken to exist


def test_a_file_that_is_no_plan_is_refused_with_its_line(folder: Shell) -> None:
    """What does not have the form of a task graph is named with file and line, drawn or run."""
    (folder.folder / "odd.yaml").write_text("goal: x\nsteps:\n  - id: 1a\n", encoding="utf-8")
    for command in (
        ("graph", "--plan", "odd.yaml"),
        ("run", "app:desk", "goal", "--thread", "t", "--plan", "odd.yaml"),
    ):
        done = folder.call(*command)
        assert (done.code, done.out) == (2, "")
        assert "odd.yaml:3: steps.0.worker: This field is missing." in done.err


def test_the_schema_tells_a_plan_from_what_is_none(folder: Shell) -> None:
    """`schema` prints a JSON Schema that accepts a plan file and refuses what cannot load."""
    schema = folder.call("schema").data
    assert folder.call("schema", "--json").data == schema
    jsonschema.Draft202012Validator.check_schema(schema)
    good = yaml.safe_load(GOOD)
    jsonschema.validate(good, schema)
    folder.call("run", "app:desk", "x", "--thread", "t", "--plan", "good.yaml")
    handed_over = folder.call("handoffs", "t", "--full", "--json", "--team", "app:desk").data
    jsonschema.validate(handed_over["handoffs"][0]["payload"], schema)  # as it was stored
    for change in (
        {"goal": None},
        {"stepz": []},
        {"steps": [{**good["steps"][0], "id": "no word"}]},
        {"steps": [{"id": "a", "worker": "reader"}]},
        {"steps": [{**good["steps"][0], "fallback": [{"kind": "pray"}]}]},
        {"steps": [{**good["steps"][0], "retry": {"max_attempts": 0}}]},
        {"steps": [{**good["steps"][0], "retry": {"backoff": -1}}]},
        {"steps": [{**good["steps"][0], "timeout": 0}]},
        {"steps": [{**good["steps"][0], "needs": [7]}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**good, **change}, schema)


def test_a_plan_file_runs_in_the_place_of_the_planner(folder: Shell) -> None:
    """`run --plan` runs the file; a plan that cannot run is refused before anything is stored."""
    refused = folder.call("run", "app:desk", "x", "--thread", "t", "--plan", "bad.yaml")
    assert (refused.code, "4 problems" in refused.err) == (2, True)
    assert folder.starts == []
    done = folder.call("run", "app:desk", "x", "--thread", "t", "--plan", "good.yaml", "--json")
    assert (done.code, done.events[-1]["status"]) == (0, "completed")
    assert folder.starts == ["order", "order", "reply"]


def test_a_rubric_is_no_problem_of_a_plan_that_is_drawn() -> None:
    """Without a team its judges are taken for there; with one they are looked up."""
    step = il.Step(
        id="a", worker="w", instruction="x", criteria=[il.rubric("Is kind", judges=["strict"])]
    )
    plan = il.TaskGraph(goal="g", steps=[step])
    assert find_problems(plan, desk=None, context_keys=()) == ()
    workers = [il.Worker(name="w", agent=lambda brief: 1)]
    strict = {"strict": lambda request: True}
    for judges, count in ((strict, 0), ({}, 1)):
        desk = il.Orchestrator(workers=workers, planner=plan, judges=judges, storage="memory://")
        assert len(find_problems(plan, desk=desk, context_keys=())) == count
