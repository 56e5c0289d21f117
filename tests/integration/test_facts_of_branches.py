"""Facts of one branch: promoted after a wait, and told apart from an abandoned branch's (I2)."""

from pathlib import Path
from typing import Any

import pytest

import interlock as il
from tests.integration.shared_contexts import list_facts, share
from tests.integration.teams import Recorder, build_desk, build_step, give, locate

ASK: dict[str, Any] = {
    "criteria": [il.expr("false")],
    "retry": il.Retry(max_attempts=1),
    "fallback": [il.ask_person()],
}
"""What makes a step wait for a person with its output."""


def build_pair(first: str, second: str) -> tuple[il.Step, il.Step]:
    """Return a step that waits for a person with its output, and one that does not."""
    return (
        build_step("asking", publishes={first: "output"}, **ASK),
        build_step("quick", publishes={second: "output"}),
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("merge", ["asked", "quick"]), ("last", ["quick"]), ("first", ["quick"])],
)
async def test_who_waited_for_a_person_overwrites_nobody(rule: Any, expected: list[str]) -> None:
    """What another step has promoted while a person thought about an output is not lost."""
    fact = il.Fact(name="tags", on_conflict=rule, merge="union" if rule == "merge" else None)
    context = share(fact, merges={"union": lambda held, offered: sorted({*held, *offered})})
    agents = {"asking": give(["asked"]), "quick": give(["quick"])}
    async with build_desk(agents, *build_pair("tags", "tags"), context=context) as desk:
        waiting = await desk.ainvoke("x", thread_id="t")
        result = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
        view = await desk.acontext("t")
    assert result.status == "completed"
    assert view.values == {"tags": expected}


async def test_who_waited_for_a_person_breaks_no_invariant() -> None:
    """It is decided on what holds when the output enters, not when its worker was briefed."""
    context = share(
        il.Fact(name="x"),
        il.Fact(name="y"),
        invariants=[il.expr("context.x + context.y <= 10", message="at most ten")],
    )
    agents = {"asking": give(8), "quick": give(8)}
    async with build_desk(agents, *build_pair("x", "y"), context=context) as desk:
        waiting = await desk.ainvoke("x", thread_id="t")
        result = await desk.aanswer("t", {waiting.questions[0].id: il.approve()})
        view = await desk.acontext("t")
    assert result.status == "waiting"
    assert "at most ten (x = 8, y = 8)" in result.questions[0].description
    assert view.values == {"y": 8}


@pytest.mark.parametrize("is_retracted", [False, True])
async def test_a_fork_is_not_shown_what_a_person_said_of_an_abandoned_branch(
    tmp_path: Path, *, is_retracted: bool
) -> None:
    """A correction or a retraction counts where the fact is that it corrects."""
    before, after = Recorder(), Recorder()
    steps = (
        build_step("before", context=["fact"]),
        build_step("put", needs=["before"], inputs={}, publishes={"fact": "output"}),
        build_step("after", needs=["put"], inputs={}, context=["fact"]),
    )
    agents = {"before": before, "put": Recorder("first", "second"), "after": after}
    config: Any = {"configurable": {"thread_id": "t"}}
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        await desk.ainvoke("x", thread_id="t", context={"fact": "seed"})
        if is_retracted:
            await desk.aretract("t", "fact", why="wrong")
        else:
            await desk.acorrect("t", "fact", value="third", why="typo")
        history = [one async for one in desk.graph.aget_state_history(config)]
        begin = next(one for one in history if one.next == ("dispatch",))
        fork = await desk.graph.aupdate_state(begin.config, {"outcomes": {}}, as_node="planner")
        await desk.graph.ainvoke(None, fork, durability="sync")
        facts = await list_facts(desk, "thread/t")
    assert [brief.dump()["context"] for brief in before.briefs] == [{"fact": "seed"}] * 2
    assert [brief.dump()["context"] for brief in after.briefs] == [
        {"fact": "first"},
        {"fact": "second"},
    ]
    assert facts["fact"].value == "second"
