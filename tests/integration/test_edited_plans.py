"""A person's plan for a run that stands in the middle of its own: what stands, goes and starts."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import interrupt

import interlock as il
from tests.integration.mending import step
from tests.integration.teams import locate

FIRST = (
    step("a"),
    step("b", needs=["a"], approval="true"),
    step("c", needs=["b"], inputs={"said": "b.said"}),
)


class Office:
    """Workers that remember what they did."""

    def __init__(self) -> None:
        """Nothing was done yet."""
        self.done: list[str] = []
        self.has_begun = asyncio.Event()

    async def echo(self, brief: il.Brief) -> dict[str, Any]:
        """Say the instruction."""
        self.done.append(brief.step_id)
        return {"said": brief.instruction, "given": sorted(brief.inputs)}

    async def hang(self, brief: il.Brief) -> dict[str, Any]:
        """Never return, the first time."""
        self.done.append(brief.step_id)
        if self.done.count(brief.step_id) == 1:
            self.has_begun.set()
            await asyncio.Event().wait()
        return {"said": "at last"}

    async def ask(self, brief: il.Brief) -> dict[str, Any]:
        """Ask a person in the middle of the work."""
        self.done.append(brief.step_id)
        return {"said": interrupt("Which one?")}

    async def cut_off(self, desk: il.Orchestrator) -> None:
        """Run until work has begun that never ends, and cut it off, as a kill does."""
        run = asyncio.create_task(desk.ainvoke("g", thread_id="t"))
        await self.has_begun.wait()
        with pytest.raises(il.ThreadBusyError):
            await desk.aedit_plan("t", MENDED)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    def build_desk(
        self, *steps: il.Step, storage: str = "memory://", **policy: Any
    ) -> il.Orchestrator:
        """Return a team with a fixed plan."""
        return il.Orchestrator(
            workers=[
                il.Worker(name=name, agent=getattr(self, name)) for name in ("echo", "hang", "ask")
            ],
            planner=il.TaskGraph(goal="g", steps=steps or FIRST),
            storage=storage,
            policy=il.RunPolicy(**policy),
        )


def edited(*steps: il.Step) -> il.TaskGraph:
    """Return a person's plan."""
    return il.TaskGraph(goal="g", steps=steps)


MENDED = edited(
    step("a"), step("b2", needs=["a"]), step("c", needs=["b2"], inputs={"said": "b2.said"})
)


async def test_a_waiting_run_goes_on_with_a_persons_plan() -> None:
    """What is finished is not run again, the question is withdrawn, and journal and notes say it all."""
    office = Office()
    async with office.build_desk() as desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "waiting"
        taken = await desk.aedit_plan("t", MENDED, why="nobody is there to approve")
        asked = await desk.aquestions("t")
        result = await desk.aresume("t")
        versions = await desk.aplan("t")
    assert (taken.version, list(asked)) == (2, [])
    assert (result.status, office.done) == ("completed", ["a", "b2", "c"])
    assert result.outputs["c"]["given"] == ["said"]
    words = "edited by a person (nobody is there to approve): added b2; removed b; rewired c"
    assert [(one.plan.version, one.by, one.why) for one in versions] == [
        (1, "planner", None),
        (2, "person", words),
    ]
    assert f"Version 2 of the plan was {words}" in result.notes


async def test_a_run_that_was_cut_off_goes_on_with_a_persons_plan(tmp_path: Path) -> None:
    """Another process edits what a dead one left: what had not come back is begun anew, once."""
    office = Office()
    first = (step("a"), step("b", needs=["a"], worker="hang"), step("c", needs=["b"]))
    async with office.build_desk(*first, storage=locate(tmp_path)) as desk:
        await office.cut_off(desk)
    plan = edited(*first[:2], step("c", needs=["b"], instruction="Do more"), step("d"))
    async with office.build_desk(*first, storage=locate(tmp_path)) as desk:
        await desk.aedit_plan("t", plan)
        result = await desk.aresume("t")
    assert (result.status, office.done) == ("completed", ["a", "b", "b", "d", "c"])
    assert result.outputs["c"]["said"] == "Do more"


async def test_a_plan_that_was_still_being_written_is_edited_as_far_as_it_came(
    tmp_path: Path,
) -> None:
    """What came before the run was cut off is there, and what ran of it stands."""
    office = Office()

    class Slow:
        stream = True

        async def plan(self, request: il.PlanRequest) -> il.TaskGraph:
            raise AssertionError

        async def astream_plan(self, request: il.PlanRequest) -> Any:
            for one in (step("a"), step("b", worker="hang", needs=["a"])):
                yield one
                await asyncio.sleep(0)
            await asyncio.Event().wait()

    workers = [il.Worker(name=name, agent=getattr(office, name)) for name in ("echo", "hang")]
    desk = il.Orchestrator(workers=workers, planner=Slow(), storage=locate(tmp_path))
    async with desk:
        await office.cut_off(desk)
        with pytest.raises(il.PlanError, match="'a' is finished and accepted"):
            await desk.aedit_plan("t", edited(step("z")))
        await desk.aedit_plan("t", edited(step("a"), step("z", needs=["a"])))
        result = await desk.aresume("t")
    assert (result.status, office.done) == ("completed", ["a", "b", "z"])


async def test_killed_before_the_run_heard_of_it_the_same_edit_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Journal first: the run stands as it stood, and the edit is there once in the end."""
    office = Office()
    async with office.build_desk() as desk:
        await desk.ainvoke("g", thread_id="t")

        async def die(*args: object, **kwargs: object) -> None:
            raise ConnectionAbortedError("killed")

        with monkeypatch.context() as patched:
            patched.setattr(desk.graph, "aupdate_state", die)
            with pytest.raises(ConnectionAbortedError):
                await desk.aedit_plan("t", MENDED)
        still = await desk.aresume("t")
        await desk.aedit_plan("t", MENDED)
        result = await desk.aresume("t")
        versions = await desk.aplan("t")
    assert still.status == "waiting"
    assert (result.status, office.done) == ("completed", ["a", "b2", "c"])
    assert [one.plan.version for one in versions] == [1, 2]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (edited(step("b2"), step("c", needs=["b2"])), "'a' is finished and accepted"),
        (edited(step("a"), step("b2", needs=["a"], worker="eco")), "Did you mean 'echo'?"),
        (
            edited(step("a"), step("b2", instruction="Do a"), step("c", needs=["b2"])),
            "repeats step",
        ),
    ],
)
async def test_what_may_not_run_changes_nothing(plan: il.TaskGraph, words: str) -> None:
    """All problems at once, with or without doing it; the run stands as it stood."""
    office = Office()
    async with office.build_desk() as desk:
        waiting = await desk.ainvoke("g", thread_id="t")
        with pytest.raises(il.PlanError, match=words):
            await desk.acheck_edit("t", plan)
        with pytest.raises(il.PlanError, match=words):
            await desk.aedit_plan("t", plan)
        (question,) = waiting.questions
        result = await desk.aanswer("t", {question.id: il.approve()})
        versions = await desk.aplan("t")
    assert (result.status, len(versions)) == ("completed", 1)


async def test_a_step_that_waits_within_its_work_is_not_begun_anew() -> None:
    """Its answer would be lost: it is kept from an edit that keeps it, and may be left out."""
    office = Office()
    first = (step("a", worker="ask"), step("b", needs=["a"]))
    async with office.build_desk(*first) as desk:
        await desk.ainvoke("g", thread_id="t")
        with pytest.raises(il.PlanError, match="'a' waits within its work"):
            await desk.aedit_plan("t", edited(*first, step("z")))
        await desk.aedit_plan("t", edited(step("a2"), step("b", needs=["a2"])))
        assert await desk.aquestions("t") == []
        result = await desk.aresume("t")
    assert (result.status, office.done) == ("completed", ["a", "a2", "b"])


async def test_effects_of_a_step_under_way_hold_it(tmp_path: Path) -> None:
    """A step that was cut off after an effect may not leave the plan, nor be another."""
    office = Office()

    @il.idempotent()
    async def pay(order: str, *, key: il.IdempotencyKey) -> str:
        return "paid"

    async def cashier(brief: il.Brief) -> str:
        await pay("17")
        if not office.has_begun.is_set():
            office.has_begun.set()
            await asyncio.Event().wait()
        return "paid"

    first = (step("a", worker="cashier"),)
    desk = il.Orchestrator(
        workers=[
            il.Worker(name="cashier", agent=cashier),
            il.Worker(name="echo", agent=office.echo),
        ],
        planner=il.TaskGraph(goal="g", steps=first),
        storage=locate(tmp_path),
    )
    async with desk:
        await office.cut_off(desk)
        with pytest.raises(il.PlanError, match="'a' is under way and has made effects that stand"):
            await desk.aedit_plan("t", edited(step("z")))
        await desk.aedit_plan("t", edited(*first, step("z")))
        result = await desk.aresume("t")
        effects = await desk.aeffects("t")
    assert (result.status, len(effects)) == ("completed", 1)


async def test_a_run_without_a_plan_under_way_says_what_to_do() -> None:
    """Asked about its plan, or ended: each is told apart."""
    office = Office()
    async with office.build_desk(step("a"), approve_plan=True) as desk:
        asked = await desk.ainvoke("g", thread_id="t")
        with pytest.raises(il.ConfigurationError, match=r"il\.edit\(plan\)"):
            await desk.aedit_plan("t", edited(step("z")))
        await desk.aanswer("t", {asked.questions[0].id: il.approve()})
        with pytest.raises(il.FinishedRunError):
            await desk.aedit_plan("t", edited(step("z")))


async def test_a_step_whose_team_is_under_way_is_not_begun_anew(tmp_path: Path) -> None:
    """What its team has finished would be done again: it may be left out, and not kept."""
    office = Office()
    team = office.build_desk(step("in"), step("b", needs=["in"], worker="hang"))
    desk = il.Orchestrator(
        workers=[il.Worker(name="team", agent=team), il.Worker(name="echo", agent=office.echo)],
        planner=edited(step("a", worker="team")),
        storage=locate(tmp_path),
    )
    async with desk:
        await office.cut_off(desk)
        with pytest.raises(il.PlanError, match="what its team has finished would be done again"):
            await desk.aedit_plan("t", edited(step("a", worker="team"), step("z")))
        await desk.aedit_plan("t", edited(step("z")))
        result = await desk.aresume("t")
    assert (result.status, office.done) == ("completed", ["in", "b", "z"])
