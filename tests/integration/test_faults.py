"""Faults: whom an attempt blames, what people take back, and what is reported from outside."""

from collections.abc import Callable
from typing import Any

import pytest

import interlock as il
from tests.integration.teams import build_desk, build_step


async def give(brief: il.Brief) -> int:
    """Give a wrong price."""
    return -1


def refuse(brief: il.Brief) -> int:
    """Refuse the brief."""
    raise il.InputRefusedError("price", why="below zero")


def blame(output: object, brief: il.Brief) -> il.Finding:
    """Find the input wrong."""
    return il.Finding(passed=False, message="below zero", blames=("price",))


def pass_on(brief: il.Brief) -> object:
    """Return the input."""
    return brief.inputs.get("price") or brief.context.get("price")


def build(reader: Callable[[il.Brief], Any], **changes: Any) -> il.Orchestrator:
    """Return a team whose second step reads the first one's price."""
    read = build_step(
        "read",
        needs=["give"],
        inputs={"price": "give"},
        retry=il.Retry(max_attempts=2),
        **changes,
    )
    workers = {"give": give, "read": reader}
    return build_desk(workers, build_step("give"), read, checks={"blame": blame})


def tell(fault: il.Fault) -> tuple[str, int, str, str, int]:
    """Return whose fault it is, and who found it at which attempt."""
    found = fault.blame
    return found.step_id, fault.attempt, found.how, found.found_by, found.found_attempt


async def test_a_worker_that_refuses_its_input_blames_the_step_it_came_from() -> None:
    """No further attempt is made, and the journal names the step whose output it was."""
    async with build(refuse) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        assert (result.status, result.outcomes["read"].attempts) == ("failed", 1)
        assert [tell(fault) for fault in await desk.afaults("t")] == [
            ("give", 1, "rejected", "read", 1)
        ]


async def test_a_finding_blames_an_input_at_every_attempt() -> None:
    """A check that names the input in its finding blames it each time it looks."""
    async with build(pass_on, criteria=[il.check("blame")]) as desk:
        await desk.ainvoke("Test", thread_id="t")
        faults = await desk.afaults("t")
    assert [tell(fault) for fault in faults] == [
        ("give", 1, "rejected", "read", 1),
        ("give", 1, "rejected", "read", 2),
    ]
    assert {fault.blame.why for fault in faults} == {"below zero"}


async def test_what_is_no_other_steps_output_blames_nobody() -> None:
    """A name that is a fixed argument, or none of the brief's, is left out."""

    def refuse_others(brief: il.Brief) -> int:
        raise il.InputRefusedError("fixed", "nothing", why="odd")

    async with build(refuse_others, arguments={"fixed": 1}) as desk:
        await desk.ainvoke("Test", thread_id="t")
        assert await desk.afaults("t") == []


async def test_a_fact_that_is_refused_blames_the_step_that_published_it() -> None:
    """A context key stands for the fact, and the fact for the step that promoted it."""
    publish = build_step("give", publishes={"price": "output"})
    read = build_step("read", needs=["give"], inputs={}, context=["price"])
    async with build_desk({"give": give, "read": refuse}, publish, read) as desk:
        await desk.ainvoke("Test", thread_id="t")
        assert [tell(fault) for fault in await desk.afaults("t")] == [
            ("give", 1, "rejected", "read", 1)
        ]


@pytest.mark.parametrize("how", ["corrected", "retracted"])
async def test_a_fact_that_a_person_changes_was_wrong(how: str) -> None:
    """The step that published it is at fault, once; a person's own value is nobody's fault."""
    publish = build_step("give", publishes={"price": "output"})
    async with build_desk({"give": give}, publish) as desk:
        await desk.ainvoke("Test", thread_id="t")
        for number in (1, 2):
            if how == "corrected":
                await desk.acorrect("t", "price", value=number, why="a typo")
            elif number == 1:
                await desk.aretract("t", "price", why="a typo")
        (fault,) = await desk.afaults("t")
    assert tell(fault) == ("give", 1, how, "person", 0)
    assert fault.blame.why == "a typo"


async def test_a_fault_is_reported_after_the_end_once_by_each_finder() -> None:
    """An evaluation and a person may both say so; saying it again changes nothing."""
    async with build(pass_on) as desk:
        await desk.ainvoke("Test", thread_id="t")
        for _ in range(2):
            await desk.areport_fault("t", "give", why="a complaint", found_by="support")
        await desk.areport_fault("t", "give", why="not 3", found_by="nightly", is_final_check=True)
        faults = await desk.afaults("t")
    assert [tell(fault) for fault in faults] == [
        ("give", 1, "reported", "support", 0),
        ("give", 1, "final_check", "nightly", 0),
    ]


async def test_only_a_value_can_be_wrong() -> None:
    """A step without a value, an unknown thread and an empty reason are refused in words."""
    async with build(refuse) as desk:
        await desk.ainvoke("Test", thread_id="t")
        with pytest.raises(il.NoValueError, match=r"Step 'read' .* has no value"):
            await desk.areport_fault("t", "read", why="wrong")
        with pytest.raises(il.UnknownThreadError):
            await desk.areport_fault("other", "read", why="wrong")
        with pytest.raises(il.ConfigurationError, match="Say what is wrong"):
            await desk.areport_fault("t", "give", why=" ")


async def test_a_declared_value_that_is_wrong_is_no_attempts_fault() -> None:
    """A value that the plan gives as a fallback was made by none of the step's attempts."""
    step = build_step("give", retry=il.Retry(max_attempts=1), fallback=[il.use_value(-1)])
    async with build_desk({"give": refuse}, step) as desk:
        await desk.ainvoke("Test", thread_id="t")
        assert tell(await desk.areport_fault("t", "give", why="wrong"))[:2] == ("give", 0)
