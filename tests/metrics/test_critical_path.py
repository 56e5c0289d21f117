"""What decided when a run ended: exact chains, and savings that a schedule of known makespan gives."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.contracts.blame import ReviewedOutput, SettledStep, StepWait, ThreadLineage
from interlock.contracts.ids import StepId, ThreadId
from interlock.orchestrator.blaming import load_critical_path
from interlock.telemetry.metrics.critical_path import CriticalPath, derive_critical_path
from interlock.telemetry.metrics.list_schedule import Job, schedule
from interlock.testing import ManualClock
from tests.integration.teams import build_desk, build_step
from tests.invariants.example_settings import draw_examples
from tests.metrics.known_graphs import DAGS
from tests.metrics.recount_runs import PLAYS
from tests.metrics.recount_stage import build_stage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = 1_000_000


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.json")), ids=lambda path: path.stem)
def test_schedules_are_as_long_as_the_published_ones(path: Any) -> None:
    """List scheduling by longest remaining path, on 1 to 64 slots, of each public task graph."""
    graph = json.loads(path.read_text())
    jobs = {
        StepId(f"t{task['id']:05}"): Job(
            needs=tuple(StepId(f"t{dep:05}") for dep in task["deps"]),
            hold=round(task["seconds"] * SECOND),
        )
        for task in graph["tasks"]
    }
    expected = graph["makespan_by_workers"]
    counts = ("1", "4", "16", "64") if len(jobs) < 500 else ("8",)
    for count in counts:
        found = max(schedule(jobs, slots=int(count)).values()) / SECOND
        published = expected[count]["critical_path_list"]
        assert expected[count]["lower_bound"] - 1e-6 <= found
        assert found == pytest.approx(published, rel=0.02)  # ties are broken in another order
    whole = max(schedule(jobs, slots=None).values()) / SECOND
    assert whole == pytest.approx(graph["stats"]["critical_path_seconds"], abs=1e-3)


class Kitchen:
    """Workers that take known times of a clock that only they move, side by side.

    A step has one attempt for each time; all but the last end in an error. Steps that work side by
    side begin in pairs and take equally long: a clock that moves by itself would pass one of them by.
    """

    def __init__(
        self,
        seconds: Mapping[str, Sequence[float]],
        *,
        paired: Sequence[str] = (),
        **needs: Sequence[str],
    ) -> None:
        """Take so long in each attempt."""
        self.paired = paired
        self.pair = asyncio.Barrier(2)
        self.clock = ManualClock(auto=True)
        self.seconds = seconds
        self.needs = needs

    async def work(self, brief: il.Brief) -> int:
        """Take the time of the attempt."""
        seconds = self.seconds[brief.step_id]
        if brief.step_id in self.paired:
            await self.pair.wait()
        await self.clock.sleep(seconds[brief.attempt - 1])
        if brief.attempt < len(seconds):
            raise ConnectionError("gone")
        return 1

    async def run(self, **options: Any) -> CriticalPath:
        """Run it; return what decided its end."""
        retry = il.Retry(max_attempts=3, backoff=timedelta(seconds=10), jitter=0)
        steps = [
            build_step(name, "work", needs=self.needs.get(name, ()), retry=retry)
            for name in self.seconds
        ]
        limit = options.pop("max_parallel", None)
        desk = build_desk(
            {"work": self.work},
            *steps,
            clock=self.clock,
            policy=il.RunPolicy(max_parallel=limit),
        )
        async with desk:
            await desk.ainvoke("Cook", thread_id="t")
            return await desk.acritical_path("t", **options)


def tell(path: CriticalPath) -> dict[tuple[str, str | None], float]:
    """Return the savings in seconds."""
    return {(one.kind, one.step_id): one.saved_us / SECOND for one in path.savings}


async def test_a_chain_and_what_would_have_shortened_it() -> None:
    """Two branches of 5 and 4 s meet: the long one decides, and saves no more than its lead."""
    kitchen = Kitchen(
        {"a": [4], "b": [1], "x": [4], "end": [1]}, paired="ax", b=["a"], end=["b", "x"]
    )
    path = await kitchen.run()
    assert [(step.step_id, step.after, step.total_us) for step in path.steps] == [
        ("a", None, 4 * SECOND),
        ("b", "a", 1 * SECOND),
        ("end", "b", 1 * SECOND),
    ]
    assert path.total_us == path.modelled_us == path.stages["other"] == 6 * SECOND
    assert path.max_parallel is None
    assert tell(path) == {
        ("faster_step", "a"): 1,  # not 2: then x decides, at 4 s
        ("faster_step", "b"): 0.5,
        ("faster_step", "end"): 0.5,
    }


async def test_waiting_for_slots_is_seen_and_one_more_is_worth_what_it_saves() -> None:
    """Four steps of 6 s on two slots take 12 s: a third slot saves nothing, no limit saves 6 s."""
    kitchen = Kitchen({name: [6] for name in "abcd"}, paired="abcd")
    path = await kitchen.run(max_parallel=2)
    assert (path.total_us, path.modelled_us) == (12 * SECOND, 12 * SECOND)
    assert (path.max_parallel, path.is_limit_seen) == (2, True)
    assert path.stages["queue"] == 6 * SECOND
    savings = tell(path)
    assert savings["one_more_slot", None] == 0
    assert savings["unbounded", None] == 6


async def test_refused_attempts_and_backoffs_are_what_fewer_retries_save() -> None:
    """An attempt of 3 s that fails and a backoff of 10 s lie before the one of 2 s that is not."""
    kitchen = Kitchen({"a": [3, 2], "b": [4]}, b=["a"])
    path = await kitchen.run()
    assert path.total_us == path.modelled_us == (3 + 10 + 2 + 4) * SECOND
    assert path.stages["queue"] == 10 * SECOND
    assert path.steps[0].attempts == 2
    savings = tell(path)
    assert savings["first_pass", None] == savings["first_pass_of_step", "a"] == 13
    assert savings["faster_step", "a"] == 2.5


async def test_people_who_take_their_time_are_a_stage_of_their_own() -> None:
    """An approval that takes an hour decides the end of a run, and an answer at once would save it."""
    clock = ManualClock(auto=True)

    async def work(brief: il.Brief) -> int:
        await clock.sleep(2)
        return 1

    steps = (build_step("pay", "work", approval="true"), build_step("mail", "work", needs=["pay"]))
    async with build_desk({"work": work}, *steps, clock=clock) as desk:
        result = await desk.ainvoke("Pay", thread_id="t")
        waiting = await desk.acritical_path("t")
        clock.advance(3600)
        await desk.aanswer("t", {result.questions[0].id: il.approve()})
        path = await desk.acritical_path("t")
    assert (waiting.is_over, waiting.steps, path.is_over) == (False, (), True)
    assert [step.step_id for step in path.steps] == ["pay", "mail"]
    assert path.total_us == 3604 * SECOND == sum(path.stages.values())
    assert path.stages["person"] == 3600 * SECOND
    assert tell(path)["people_at_once", None] == 3600


def test_a_step_that_waits_for_a_person_holds_no_slot() -> None:
    """On one slot a step that pauses for 10 s after its work lets the next one work meanwhile."""
    jobs = {
        StepId("asks"): Job(hold=2, pause=10),
        StepId("next"): Job(hold=3),
        StepId("last"): Job(needs=(StepId("next"),), lag=1, hold=1),
    }
    assert schedule(jobs, slots=1) == {"asks": 12, "next": 5, "last": 7}


async def test_the_team_of_a_step_has_a_path_of_its_own() -> None:
    """For a nested team the chain is that of its steps, from when the first began."""
    kitchen = Kitchen({"find": [3], "word": [1], "send": [2]})
    inner = build_desk(
        {"work": kitchen.work},
        build_step("find", "work"),
        build_step("word", "work", needs=["find"]),
        clock=kitchen.clock,
    )
    steps = (build_step("team"), build_step("send", "work", needs=["team"]))
    async with build_desk(
        {"team": inner, "work": kitchen.work}, *steps, clock=kitchen.clock
    ) as desk:
        await desk.ainvoke("Send", thread_id="t")
        outer = await desk.acritical_path("t")
        path = await desk.acritical_path("t", step="team")
        with pytest.raises(il.UnknownThreadError):
            await desk.acritical_path("nobody")
    assert [(step.step_id, step.total_us) for step in outer.steps] == [
        ("team", 4 * SECOND),
        ("send", 2 * SECOND),
    ]
    assert [(step.step_id, step.total_us) for step in path.steps] == [
        ("team/find", 3 * SECOND),
        ("team/word", 1 * SECOND),
    ]
    assert path.scope == "team/"


@pytest.fixture
async def played() -> AsyncIterator[Any]:
    """Return a storage on which runs of every kind have been played."""
    stage = build_stage("memory://")
    await stage.storage.connect()
    for play in PLAYS:
        await play(stage)
    yield stage.storage
    await stage.storage.aclose()


async def test_stages_add_up_in_runs_of_every_kind(played: Any) -> None:
    """With retries, people, teams, replans and forks: from start to end, to the microsecond."""
    told = 0
    for run in await played.list_runs():
        path = await load_critical_path(played, run.thread_id)
        if not path.steps:
            continue
        assert path.started_at is not None
        assert path.ended_at is not None
        whole = (path.ended_at - path.started_at) // timedelta(microseconds=1)
        assert path.total_us == sum(path.stages.values()) == whole
        assert all(used >= 0 for step in path.steps for used in step.stages.values()), path
        told += len(path.steps)
    assert told > 20
    rewired = await load_critical_path(played, "rewired")  # a later plan says what a step waits for
    assert ("c", "d") in [(step.step_id, step.after) for step in rewired.steps]


@st.composite
def lineages(draw: st.DrawFn) -> tuple[ThreadLineage, Mapping[int, Sequence[int]], list[int]]:
    """Return a run without limits as its rows tell it, its edges, and how long each step worked."""
    count = draw(st.integers(1, 12))
    needs = {
        name: draw(st.lists(st.integers(0, name - 1), unique=True, max_size=3)) if name else []
        for name in range(count)
    }
    seconds = [draw(st.integers(0, 9)) for _ in range(count)]
    ends: list[int] = []
    for name in range(count):
        ends.append(max((ends[need] for need in needs[name]), default=0) + seconds[name])
    order = sorted(range(count), key=lambda name: (ends[name], name))
    rows, outputs = [], []
    for seq, name in enumerate(order):
        begun = NOON + timedelta(seconds=ends[name] - seconds[name])
        rows.append(
            SettledStep(
                seq=seq,
                superstep="s",
                step_id=StepId(f"s{name}"),
                status="accepted",
                worker="w",
                attempts=1,
                fallback=None,
                begun_at=begun,
                settled_at=NOON + timedelta(seconds=ends[name]),
                settle_us=0,
                tokens=0,
                money=0,
            )
        )
        outputs.append(
            ReviewedOutput(
                superstep="s",
                step_id=StepId(f"s{name}"),
                attempt=1,
                sender="w",
                turn_at=begun,
                started_at=begun,
                queue_us=0,
                brief_us=0,
                work_us=seconds[name] * SECOND,
                model_us=0,
                tool_us=0,
                review_us=0,
            )
        )
    waits = [
        StepWait(superstep="s", step_id=StepId(f"s{name}"), need=StepId(f"s{need}"), is_read=True)
        for name, sources in needs.items()
        for need in sources
    ]
    lineage = ThreadLineage(
        thread_id=ThreadId("t"), accepted_at=NOON, outcomes=rows, waits=waits, outputs=outputs
    )
    return lineage, needs, seconds


def find_longest(needs: Mapping[int, Sequence[int]], seconds: Sequence[float]) -> float:
    """Return the longest path, by trying every path."""

    def walk(name: int) -> float:
        return seconds[name] + max((walk(need) for need in needs[name]), default=0)

    return max(walk(name) for name in needs)


@draw_examples(60)
@given(run=lineages())
def test_without_limits_the_chain_is_a_longest_path(run: Any) -> None:
    """The chain is as long as the run; what a step twice as fast saves, every path tried out tells."""
    lineage, needs, seconds = run
    path = derive_critical_path(lineage)
    assert path.total_us == path.modelled_us == find_longest(needs, seconds) * SECOND
    for before, after in zip(path.steps, path.steps[1:], strict=False):
        assert int(before.step_id[1:]) in needs[int(after.step_id[1:])]
    for saving in path.savings:
        assert saving.kind == "faster_step"
        faster = [float(one) for one in seconds]
        faster[int(str(saving.step_id)[1:])] /= 2
        expected = find_longest(needs, seconds) - find_longest(needs, faster)
        assert saving.saved_us == expected * SECOND
