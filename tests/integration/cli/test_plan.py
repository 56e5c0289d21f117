"""`plan`: what ran or is to run, as a file that runs; and a person's own plan, from an editor."""

import json
import sys
from pathlib import Path

import pytest

import interlock as il
from tests.integration.cli.shell import Shell

TEAM = """
import interlock as il

async def say(brief: il.Brief) -> str:
    return brief.instruction

def plan(request: il.PlanRequest) -> il.TaskGraph:
    step = il.Step(
        id="a",
        worker="say",
        instruction="Say \\x1b[2J \\u202e é it",
        inputs={},
        criteria=[il.expr("size(output) > 0", message="Not a long word: " + "long" * 99)],
        fallback=[il.use_value({}), il.abandon()],
    )
    if request.previous is None:
        return il.TaskGraph(goal=request.goal, steps=[step], is_open=True)
    return il.TaskGraph(goal=request.goal, steps=[*request.previous.steps])

def build(**policy):
    return il.Orchestrator(
        workers=[il.Worker(name="say", agent=say)],
        planner=plan,
        storage="sqlite:///desk.db",
        policy=il.RunPolicy(**policy),
    )

free = build()
asking = build(approve_plan=True)
waiting = il.Orchestrator(
    workers=[il.Worker(name="say", agent=say)],
    planner=il.TaskGraph(
        goal="g",
        steps=[
            il.Step(id="a", worker="say", instruction="Begin"),
            il.Step(id="b", worker="say", instruction="Go on", needs=["a"], approval="true"),
        ],
    ),
    storage="sqlite:///desk.db",
)
"""


@pytest.fixture
def team(shell: Shell) -> Shell:
    """A folder with a team that plans twice, and one that asks about its plans."""
    (shell.folder / "plan_team.py").write_text(TEAM, "utf-8")
    return shell


def set_editor(team: Shell, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Make it the editor's work to change what it reads as `plan`."""
    editor = team.folder / "editor.py"
    editor.write_text(
        "import sys, yaml\n"
        "path = sys.argv[1]\n"
        f"plan = yaml.safe_load(open(path).read())\n{change}"
        "open(path, 'w').write(yaml.safe_dump(plan))\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {editor}")


def test_a_plan_is_shown_with_its_versions_and_runs_as_it_is_printed(team: Shell) -> None:
    """YAML that loads, versions and who brought them behind `#`; JSON for programs."""
    assert team.call("run", "plan_team:free", "Go", "--thread", "t1").code == 0
    shown = team.call("plan", "t1", "--team", "plan_team:free")
    assert shown.code == 0
    assert "\x1b" not in shown.out
    assert [line[:26] for line in shown.out.splitlines() if line.startswith("#")] == [
        "# version 1 by planner, 20",
        "# version 2 by planner, 20",
    ]
    (team.folder / "shown.yaml").write_text(shown.out, encoding="utf-8")
    plan = il.load_task_graph(team.folder / "shown.yaml")
    assert plan.steps[0].instruction == "Say \x1b[2J \u202e é it"
    newest = team.call("plan", "t1", "--team", "plan_team:free", "--json").data["plan"]
    assert plan == il.TaskGraph.model_validate(newest)
    assert "\u202e" not in shown.out
    first = team.call("plan", "t1", "--team", "plan_team:free", "--version", "1", "--json").data
    assert (first["version"], first["plan"]["is_open"], len(first["versions"])) == (1, True, 2)
    missing = team.call("plan", "t1", "--team", "plan_team:free", "--version", "9")
    assert (missing.code, "Versions: [1, 2]" in missing.err) == (2, True)


def test_an_edited_plan_runs(team: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an editor saves is the answer: a step more, and the run goes on with it."""
    assert team.call("run", "plan_team:asking", "Go", "--thread", "t1").code == 4
    set_editor(
        team,
        monkeypatch,
        "plan.pop('is_open')\n"
        "plan['steps'].append({'id': 'b', 'worker': 'say', 'instruction': 'More'})\n",
    )
    done = team.call("plan", "t1", "--edit", "--team", "plan_team:asking", "--json")
    assert done.code == 0, done.err
    assert sorted(done.events[-1]["result"]["outputs"]) == ["a", "b"]
    after = team.call("plan", "t1", "--team", "plan_team:asking", "--json").data
    assert [one["by"] for one in after["versions"]] == ["person"]
    kept, _ = after["plan"]["steps"]
    assert (kept["inputs"], kept["fallback"][0]) == ({}, {"kind": "use_value", "value": {}})


def test_a_run_that_waits_for_something_else_goes_on_with_an_edited_plan(
    team: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step that waits is replaced, its question withdrawn, and the inbox empty."""
    assert team.call("run", "plan_team:waiting", "Go", "--thread", "t1").code == 4
    set_editor(team, monkeypatch, "plan['steps'][1].update(id='c', approval=None)\n")
    call = ("plan", "t1", "--edit", "--team", "plan_team:waiting", "--why", "nobody is in")
    done = team.call(*call)
    assert done.code == 0, done.err
    assert "edited by a person (nobody is in): added c; removed b" in done.out
    assert team.call("inbox", "--team", "plan_team:waiting", "--json").data["questions"] == []
    assert team.call("plan", "t1", "--team", "plan_team:waiting").out.count("by person") == 1


def test_a_bad_plan_answers_nothing_and_is_kept(team: Shell, tmp_path: Path) -> None:
    """All that is wrong is told, the file stays, the question stays open, and a good one is taken."""
    assert team.call("run", "plan_team:asking", "Go", "--thread", "t1").code == 4
    path = tmp_path / "mine.json"
    steps = [{"id": "a", "worker": "sya", "instruction": "x", "needs": ["z"]}]
    path.write_text(json.dumps({"goal": "g", "steps": steps}))
    bad = team.call("plan", "t1", "--from", str(path), "--team", "plan_team:asking")
    assert bad.code == 2
    assert "Did you mean 'say'?" in bad.err
    assert "depends on 'z'" in bad.err
    assert f"Nothing was changed, and your plan is kept: {path}" in bad.err
    steps = [{"id": "a", "worker": "say", "instruction": "x"}]
    path.write_text(json.dumps({"goal": "g", "steps": steps}))
    assert team.call("plan", "t1", "--from", str(path), "--team", "plan_team:asking").code == 0


def test_without_a_question_or_an_editor_it_is_said(
    team: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to edit, nothing to edit with, no team: each says what to do."""
    assert team.call("run", "plan_team:free", "Go", "--thread", "t1").code == 0
    assert "has ended" in team.call("plan", "t1", "--edit", "--team", "plan_team:free").err
    assert "--team" in team.call("plan", "t1", "--edit", "--storage", "sqlite:///desk.db").err
    assert team.call("run", "plan_team:asking", "Go", "--thread", "t2").code == 4
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    asked = team.call("plan", "t2", "--edit", "--team", "plan_team:asking")
    assert "There is no editor" in asked.err
