"""The story of a fact: which steps rest on it, no more and no less than is true."""

import interlock as il
from interlock.contracts.ids import StepId, ThreadId
from interlock.orchestrator.context_reading import load_story
from tests.integration.teams import Recorder, build_desk, build_step, give


async def test_a_story_names_who_was_given_a_fact_and_nobody_else() -> None:
    """Who read it in an output, and after it; not who only waited, nor who never started."""
    steps = (
        build_step("make", publishes={"fact": "output.fact"}),
        build_step("part", needs=["make"], inputs={"x": "make.fact.cents"}),
        build_step("after", needs=["part"]),
        build_step("beside", needs=["make"], inputs={"x": "make.side"}),
        build_step("waits", needs=["part"], inputs={}),
        build_step("fails", needs=["make"], inputs={}, context=["fact"]),
        build_step("blocked", needs=["fails"]),
    )
    agents = {name: give("done") for name in ("part", "after", "beside", "waits", "blocked")}
    failing = Recorder(il.PermanentError("no"))
    made = give({"fact": {"cents": 3}, "side": 1})
    async with build_desk({"make": made, "fails": failing, **agents}, *steps) as desk:
        await desk.ainvoke("x", thread_id="t")
        story = await load_story(desk._open_storage, "t", "fact")
    assert story.dependents == {
        1: ((ThreadId("t"), StepId("part")), (ThreadId("t"), StepId("after")))
    }
    assert [use.step_id for use in story.versions[0].uses] == ["fails"]
