"""Diffs: where two runs of a plan parted, told from what only followed."""

from collections.abc import Mapping
from typing import Any

import pytest

import interlock as il
from interlock.contracts.run_difference import RunDifference
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give


def tell(difference: RunDifference) -> dict[str, Any]:
    """Return causes and what followed, each by path: kind, names, from what."""
    return {
        "causes": [(one.path, one.kind, one.what) for one in difference.causes],
        "followed": [(one.path, one.kind, one.because) for one in difference.followed],
        "same": sorted(difference.same),
    }


async def compare(agents: Mapping[str, Any], *steps: il.Step, **options: Any) -> dict[str, Any]:
    """Run a plan twice, on two threads, and tell the two apart."""
    async with build_desk(agents, *steps, **options) as desk:
        for thread in ("one", "other"):
            await desk.ainvoke("Compare", thread_id=thread)
        return tell(await desk.adiff("one", "other"))


STEPS = (
    build_step("read"),
    build_step("beside"),
    build_step("write", needs=["read"]),
    build_step("send", needs=["write", "beside"], inputs={"text": "write"}),
)


async def test_equal_runs_have_no_difference() -> None:
    """Retries included: attempts, verdicts and outputs are equal."""
    shaky = Recorder(ValueError("no"), "done", ValueError("no"), "done")
    agents = {"read": give(1), "beside": give(2), "write": shaky, "send": give(3)}
    retry = il.Retry(max_attempts=2, backoff="PT0S")
    steps = (*STEPS[:2], build_step("write", needs=["read"], retry=retry), STEPS[3])
    told = await compare(agents, *steps)
    assert told == {"causes": [], "followed": [], "same": ["beside", "read", "send", "write"]}


async def test_a_worker_that_gives_something_else_is_the_cause_and_the_rest_follows() -> None:
    """The brief was equal: the worker is not deterministic; what reads it differs for that reason."""
    agents = {
        "read": Recorder("a", "b"),
        "beside": give(2),
        "write": Recorder(lambda brief: f"re: {brief.inputs['read']}"),
        "send": give(3),
    }
    assert await compare(agents, *STEPS) == {
        "causes": [("read", "output", ("output",))],
        "followed": [("write", "upstream", ("read",)), ("send", "upstream", ("write",))],
        "same": ["beside"],
    }


async def test_what_a_step_reads_but_comes_out_equal_stops_the_spread() -> None:
    """A step that gives the same for other inputs differs itself; those after it do not."""
    agents = {"read": Recorder("a", "b"), "beside": give(2), "write": give("x"), "send": give(3)}
    assert await compare(agents, *STEPS) == {
        "causes": [("read", "output", ("output",))],
        "followed": [("write", "upstream", ("read",))],
        "same": ["beside", "send"],
    }


async def test_another_start_is_told_before_all_that_follows_from_it() -> None:
    """Goal and context at the start have no step; a step that is shown them follows."""
    step = build_step("work", context=["tenant"])
    async with build_desk({"work": give(1)}, step) as desk:
        await desk.ainvoke("One", thread_id="one", context={"tenant": "a", "same": 1})
        await desk.ainvoke("One", thread_id="other", context={"tenant": "b", "same": 1})
        told = tell(await desk.adiff("one", "other"))
    assert told["causes"][0] == ("", "start", ("tenant",))
    assert [(path, kind) for path, kind, _ in told["followed"]] == [("work", "upstream")]


async def test_another_plan_is_the_cause_where_it_is_another() -> None:
    """A step that is planned otherwise, one that is new, one that is gone."""
    first = build_plan(build_step("a"), build_step("b", "a", needs=["a"]), build_step("c", "a"))
    second = build_plan(
        build_step("a"),
        build_step("b", "a", needs=["a"], instruction="Other"),
        build_step("d", "a"),
    )
    plans = [first, second]
    async with build_desk({"a": give(1)}, planner=lambda request: plans.pop(0)) as desk:
        for thread in ("one", "other"):
            await desk.ainvoke("Plan", thread_id=thread)
        told = tell(await desk.adiff("one", "other"))
    assert sorted((path, kind) for path, kind, _ in told["causes"]) == [
        ("b", "plan"),
        ("c", "plan"),
        ("d", "plan"),
    ]
    assert "instruction" in next(what for path, _, what in told["causes"] if path == "b")
    assert told["same"] == ["a"]


async def test_equal_outputs_with_another_verdict_and_another_settlement() -> None:
    """A check that changed its mind; a person who decided otherwise; what is blocked by it follows."""
    said = iter([True, False])
    judged = build_step("judged", criteria=[il.check("moody")])
    asked = build_step("asked", "judged", approval="true")
    after = build_step("after", "judged", needs=["asked"])
    desk = build_desk(
        {"judged": give(1)}, judged, asked, after, checks={"moody": lambda out, brief: next(said)}
    )
    async with desk:
        for thread, answer in (("one", il.approve()), ("other", il.reject("no"))):
            result = await desk.ainvoke("Judge", thread_id=thread)
            await desk.aanswer(thread, {q.id: answer for q in result.questions})
        told = tell(await desk.adiff("one", "other"))
    assert [(path, kind) for path, kind, _ in told["causes"]] == [
        ("judged", "verdict"),
        ("asked", "outcome"),
    ]
    assert [(path, because) for path, _, because in told["followed"]] == [("after", ("asked",))]


async def test_a_team_differs_since_a_step_within_it_does() -> None:
    """The inner step is the cause; the step above follows from it, and what reads that one next."""
    inner = build_desk({"say": Recorder("a", "b"), "hear": give(1)})
    middle = build_desk({"ask": inner})
    end = build_step("end", needs=["team"])
    told = await compare({"team": middle, "end": give(2)}, build_step("team"), end)
    assert told == {
        "causes": [("team/ask/say", "output", ("output",))],
        "followed": [
            ("team/ask", "output", ("team/ask/say",)),
            ("team", "output", ("team/ask",)),
            ("end", "upstream", ("team",)),
        ],
        "same": ["team/ask/hear"],
    }


async def test_what_a_team_is_given_is_why_its_steps_differ() -> None:
    """The cause lies before the team: its steps were shown something else."""
    inner = build_desk({"say": give("same")}, build_step("say", context=["read"]))
    steps = (build_step("read"), build_step("team", needs=["read"]))
    told = await compare({"read": Recorder("a", "b"), "team": inner}, *steps)
    assert told == {
        "causes": [("read", "output", ("output",))],
        "followed": [("team", "upstream", ("read",)), ("team/say", "upstream", ("team",))],
        "same": [],
    }


async def test_threads_that_never_were_are_named() -> None:
    """As everywhere."""
    async with build_desk({"work": give(1)}) as desk:
        await desk.ainvoke("Work", thread_id="one")
        with pytest.raises(il.UnknownThreadError):
            await desk.adiff("one", "none")
