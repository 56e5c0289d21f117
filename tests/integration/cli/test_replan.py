"""`replan`: a person asks for another plan from a shell, and the run hears it."""

import pytest

from tests.integration.cli.shell import Shell

TEAM = """
import interlock as il

async def say(brief: il.Brief) -> str:
    return brief.instruction

def plan(request: il.PlanRequest) -> il.TaskGraph:
    steps = request.previous.steps if request.previous else ()
    new = il.Step(id=f"s{len(steps)}", worker="say", instruction=request.why or "Begin")
    return il.TaskGraph(goal=request.goal, steps=[*steps, new])

desk = il.Orchestrator(
    workers=[il.Worker(name="say", agent=say)],
    planner=plan,
    storage="sqlite:///desk.db",
    policy=il.RunPolicy(approve_plan=True),
)
fixed = il.Orchestrator(
    workers=[il.Worker(name="say", agent=say)],
    planner=il.TaskGraph(goal="g", steps=[il.Step(id="a", worker="say", instruction="Say it")]),
    storage="sqlite:///desk.db",
)
"""


@pytest.fixture
def team(shell: Shell) -> Shell:
    """A folder with a team whose planner adds what is asked, and one with a fixed plan."""
    (shell.folder / "team.py").write_text(TEAM, "utf-8")
    return shell


def test_a_request_from_a_shell_is_heard_by_the_run_that_waits(team: Shell) -> None:
    """Written down with exit code 0 and no team; the next version is put to a person like the first."""
    assert team.call("run", "team:desk", "Go", "--thread", "t1").code == 4
    asked = team.call("replan", "t1", "--why", "close it", "--storage", "sqlite:///desk.db")
    assert (asked.code, "Written down" in asked.out) == (0, True)
    question = team.call("inbox", "--team", "team:desk", "--json").data["questions"][0]
    assert team.call("answer", "team:desk", "t1", question["id"], "approve").code == 4
    shown = team.call("plan", "t1", "--team", "team:desk", "--json").data
    assert [step["instruction"] for step in shown["plan"]["steps"]] == ["Begin", "close it"]
    assert shown["versions"][-1]["why"] == "replanned (person: close it): added s1"


def test_a_request_that_nobody_would_hear_is_refused(team: Shell) -> None:
    """A fixed plan, a run that has ended and a thread that is unknown end with words and a code."""
    assert team.call("run", "team:fixed", "Go", "--thread", "t1").code == 0
    fixed = team.call("replan", "t1", "--why", "more", "--team", "team:fixed")
    ended = team.call("replan", "t1", "--why", "more", "--team", "team:desk")
    unknown = team.call("replan", "t9", "--why", "more", "--team", "team:desk")
    assert [one.code for one in (fixed, ended, unknown)] == [2, 2, 2]
    assert "plan is fixed" in fixed.err
    assert "has ended" in ended.err
    assert "'t9'" in unknown.err
