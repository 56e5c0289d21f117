"""Facts and nested teams: what rests on what across the border, and whose named spaces count."""

import pytest

import interlock as il
from interlock.contracts.context_errors import PromotionRefusedError
from tests.integration.shared_contexts import CUSTOMER, customer_fact, list_facts, share
from tests.integration.teams import build_desk, build_step, give

CONTEXT = share(customer_fact("credit"), customer_fact("limit"))


def double(brief: il.Brief) -> int:
    """Return twice the credit that the worker is shown."""
    return int(brief.context["credit"]) * 2


async def list_marked(desk: il.Orchestrator) -> list[str]:
    """Return the facts that are marked once the credit is taken back."""
    await desk.aretract("t", "credit", why="booked twice")
    return sorted((await desk.acontext("t")).marks)


async def test_what_a_team_hands_on_rests_on_what_its_steps_were_shown() -> None:
    """A fact that the step above publishes is marked with a fact that only a step within read."""
    inner = build_desk({"calc": double}, build_step("calc", context=["credit"]), context=CONTEXT)
    step = build_step("team", publishes={"limit": "output.calc"})
    async with build_desk({"team": inner}, step, context=CONTEXT) as desk:
        await desk.ainvoke("x", thread_id="t", context={"credit": 5}, spaces=CUSTOMER)
        assert (await list_facts(desk))["limit"].value == 10
        assert await list_marked(desk) == ["limit"]


@pytest.mark.parametrize("is_by_output", [False, True])
async def test_a_fact_made_within_a_team_rests_on_what_the_team_was_given(
    *, is_by_output: bool
) -> None:
    """However deep it is made, and whether the fact behind it was shown or read from an output."""
    deep = build_desk(
        {"calc": double},
        build_step("calc", context=["credit"], publishes={"limit": "output"}),
        context=share(il.Fact(name="credit"), customer_fact("limit")),
    )
    inner = build_desk(
        {"deep": deep},
        build_step("deep", context=["credit"]),
        context=share(il.Fact(name="credit")),
    )
    read = build_step("read", context=["credit"])
    step = build_step("team", context=["credit"])
    if is_by_output:
        step = build_step("team", needs=["read"], inputs={"credit": "read"})
    agents = {"read": lambda brief: brief.context["credit"], "team": inner}
    async with build_desk(agents, read, step, context=CONTEXT) as desk:
        await desk.ainvoke("x", thread_id="t", context={"credit": 5}, spaces=CUSTOMER)
        assert (await list_facts(desk))["limit"].made.step_id == "team/deep/calc"
        assert await list_marked(desk) == ["limit"]


async def test_a_person_corrects_what_the_team_declares_and_nothing_else() -> None:
    """The type and the invariants that hold are those of whoever declares the fact, also within."""
    limit = customer_fact("limit", type={"type": "integer"})
    step = build_step("write", publishes={"limit": "output"})
    inner = build_desk({"write": give(3)}, step, context=share(limit))
    other = share(customer_fact("credit"))
    async with build_desk({"team": inner}, context=other) as desk:
        await desk.ainvoke("x", thread_id="t", context={"credit": 5}, spaces=CUSTOMER)
        with pytest.raises(PromotionRefusedError, match="'many' is not of type 'integer'"):
            await desk.acorrect("t", "limit", value="many", why="typo")
        await desk.acorrect("t", "limit", value=4, why="typo")
        stranger = build_desk({"own": give(1)}, context=other, storage=desk._open_storage)
        async with stranger:
            with pytest.raises(il.ConfigurationError, match="does not declare 'limit'"):
                await stranger.acorrect("t", "limit", value=5, why="typo")
        assert (await desk.acontext("t")).values == {"credit": 5, "limit": 4}


async def test_a_run_names_the_spaces_of_teams_within_it() -> None:
    """The team above need have no fact of its own there; a space that nobody has is refused."""
    step = build_step("write", publishes={"limit": "output"})
    inner = build_desk({"write": give(3)}, step, context=share(customer_fact("limit")))
    async with build_desk({"team": inner}) as desk:
        with pytest.raises(il.ConfigurationError, match="Known: customer"):
            await desk.ainvoke("x", thread_id="t", spaces={"order": "o-1"})
        result = await desk.ainvoke("x", thread_id="t", spaces=CUSTOMER)
        assert (await list_facts(desk))["limit"].value == 3
    assert result.status == "completed"
