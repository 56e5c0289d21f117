"""Known faults, known answers: one wrong, well-formed output in public task graphs."""

import statistics
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from math import comb

import pytest

import interlock as il
from interlock.telemetry.metrics.fault_trails import FaultTrail
from interlock.testing import FaultInjector
from tests.integration.teams import build_step
from tests.metrics.known_graphs import DAGS, KnownGraph, SumTeam, load_graph, name_step
from tests.metrics.recount_stage import Stage, build_stage

SMALL = "wf-montage-2mass-005d-58"
BIG = [path.stem for path in sorted(DAGS.glob("*.json")) if path.stem != SMALL]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Return a stage in memory."""
    stage = build_stage("memory://")
    await stage.storage.connect()
    yield stage
    await stage.storage.aclose()


def choose_origin(graph: KnownGraph) -> int:
    """Return the task with the most descendants."""
    counts = graph.count_descendants()
    return max(counts, key=lambda task: (counts[task], -task))


def read_distances(trail: FaultTrail) -> dict[str, int]:
    """Return the affected steps with their distances."""
    return {step.place.step_id: step.distance for step in trail.affected}


async def report_and_compare(graph: KnownGraph, stage: Stage) -> None:
    """Report a fault after the end: what it has reached is what a run without it computes otherwise."""
    origin = choose_origin(graph)
    team = SumTeam(graph=graph, stage=stage, origin=origin)
    spoilt = await team.find_spoilt("t")
    below = graph.walk(origin)
    async with team.open() as desk:
        await desk.areport_fault("t", name_step(origin), why="off by one", found_by="exam")
        (trail,) = await desk.ablame("t")
        assert await desk.ablame("t-right") == []
    assert read_distances(trail) == {name_step(task): far for task, far in below.items()}
    assert read_distances(trail).keys() == spoilt
    assert trail.depth == max(below.values())
    assert trail.cascade_size == trail.accepted == graph.stats["blast_radius"]["max"]
    assert {step.place.step_id for step in trail.consumers} == {
        name_step(task) for task in graph.list_readers(origin)
    }
    assert all(step.by == "output" and step.carries for step in trail.affected)
    assert (trail.lost, trail.path, trail.settled_before) == (0, (), len(below))


@pytest.mark.parametrize("name", [SMALL, *BIG])
def test_descendants_are_the_blast_radius_of_the_file(name: str) -> None:
    """What these tests expect of a graph is what the people who recorded it have published."""
    graph = load_graph(name)
    counts, stats = list(graph.count_descendants().values()), graph.stats["blast_radius"]
    assert max(counts) == stats["max"]
    assert statistics.mean(counts) == pytest.approx(stats["mean_descendants"], abs=1e-3)
    assert statistics.median(counts) == pytest.approx(stats["median"], abs=0.5)
    origin = choose_origin(graph)
    assert len(graph.walk(origin)) == graph.count_descendants()[origin]


async def test_reported_fault_reaches_all_that_it_made_wrong(stage: Stage) -> None:
    """A fault that is reported after the end has reached just the steps whose values it changed."""
    await report_and_compare(load_graph(SMALL), stage)


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG)
async def test_reported_fault_reaches_all_that_it_made_wrong_in_big_graphs(
    name: str, stage: Stage
) -> None:
    """The same in each of the other public graphs, up to 1,695 steps."""
    await report_and_compare(load_graph(name), stage)


async def test_consumer_that_blames_its_input_finds_the_origin(stage: Stage) -> None:
    """A direct consumer's criterion blames its input: siblings went on with it, its own are blocked."""
    graph = load_graph(SMALL)
    origin = choose_origin(graph)
    finder = graph.list_readers(origin)[0]

    def believes(output: object, brief: il.Brief) -> il.Finding:
        return il.Finding(
            criterion="the input is right",
            passed=brief.inputs[name_step(origin)]["sum"] == origin,
            message="that is off by one",
            blames=(name_step(origin),),
        )

    team = SumTeam(
        graph=graph,
        stage=stage,
        origin=origin,
        fields={finder: {"criteria": [il.check("believes")]}},
        checks={"believes": believes},
    )
    assert not graph.deps[origin]
    async with team.open() as desk:
        await desk.ainvoke("Add", thread_id="t")
        (trail,) = await desk.ablame("t")
        (gate,) = [
            row for row in (await desk.ametrics("t")).criteria if row.step == "t0" or row.escaped
        ]
    below, lost = graph.walk(origin), graph.walk(finder)
    assert read_distances(trail).keys() == {name_step(task) for task in below}
    assert trail.statuses == {
        "accepted": len(below) - len(lost) - 1,
        "failed": 1,
        "blocked": len(lost),
    }
    assert {s.place.step_id for s in trail.affected if s.by == "loss"} == {
        name_step(task) for task in lost
    }
    assert [place.step_id for place in trail.path] == [name_step(origin), name_step(finder)]
    assert (gate.step, gate.escaped, gate.caught) == (name_step(origin), 1, 0)
    assert trail.faults[0].blame.how == "rejected"
    assert [(one.criterion, one.result) for one in trail.let_pass] == [(gate.criterion, "passed")]


async def test_far_descendant_that_blames_its_input_is_traced_to_the_root(stage: Stage) -> None:
    """A far step blames what it was given; once the origin is known too, that rests on the origin."""
    graph = load_graph(SMALL)
    origin = choose_origin(graph)
    below = graph.walk(origin)
    ends = [task for task in below if not graph.list_readers(task)]
    finder = max(ends, key=lambda task: (below[task], task))
    parent = next(dep for dep in graph.deps[finder] if dep in below)

    def believes(output: object, brief: il.Brief) -> il.Finding:
        return il.Finding(
            passed=False, message="cannot be", criterion="adds up", blames=(name_step(parent),)
        )

    team = SumTeam(
        graph=graph,
        stage=stage,
        origin=origin,
        fields={finder: {"criteria": [il.check("believes")]}},
        checks={"believes": believes},
    )
    async with team.open() as desk:
        await desk.ainvoke("Add", thread_id="t")
        await desk.areport_fault("t", name_step(origin), why="off by one")
        near, root = await desk.ablame("t")
    assert (near.origin.step_id, root.origin.step_id) == (name_step(parent), name_step(origin))
    assert near.rests_on == (root.origin,)
    assert root.rests_on == ()
    assert [place.step_id for place in near.path] == [name_step(parent), name_step(finder)]
    assert read_distances(root) == {name_step(task): far for task, far in below.items()}
    assert root.depth == max(below.values())


async def test_retracted_fact_is_traced_over_context_and_outputs(stage: Stage) -> None:
    """A fact that a person takes back: steps that were shown it are one handoff away, wherever they are."""
    graph = load_graph(SMALL)
    origin = choose_origin(graph)
    below = graph.walk(origin)
    far = max(below, key=lambda task: (below[task], task))
    team = SumTeam(
        graph=graph,
        stage=stage,
        origin=origin,
        fields={origin: {"publishes": {"price": "output.sum"}}, far: {"context": ["price"]}},
    )
    async with team.open() as desk:
        await desk.ainvoke("Add", thread_id="t")
        await desk.aretract("t", "price", why="misread")
        (trail,) = await desk.ablame("t")
    expected = graph.walk(origin, more={origin: [far]})
    assert expected[far] == 1 < below[far]
    assert read_distances(trail) == {name_step(task): far for task, far in expected.items()}
    assert {s.place.step_id: s.by for s in trail.affected}[name_step(far)] == "fact"
    assert trail.faults[0].blame.how == "retracted"


async def test_escape_rates_are_what_was_injected(stage: Stage) -> None:
    """Of ten wrong values one gate lets all pass, the other four by construction: 10/10 and 4/10."""
    wrong = iter(range(10))

    def work(brief: il.Brief) -> int:
        return next(wrong)

    step = build_step(
        "price", "work", criteria=[il.schema({"type": "integer"}), il.expr("output >= 6")]
    )
    async with stage.open({"work": work}, step, team="gates") as desk:
        for number in range(10):
            result = await desk.ainvoke("Price", thread_id=f"t{number}")
            if result.status == "completed":
                await desk.areport_fault(f"t{number}", "price", why="every one is wrong")
        metrics = await desk.ametrics()
        trails = await desk.ablame()
    rates = {row.kind: (row.caught, row.escaped, row.escape_rate) for row in metrics.criteria}
    assert rates == {"schema": (0, 10, 1.0), "expr": (6, 4, 0.4)}
    assert [trail.origin.thread_id for trail in trails] == ["t6", "t7", "t8", "t9"]
    assert all(len(trail.let_pass) == 2 for trail in trails)


async def test_completion_is_within_its_binomial_interval(stage: Stage) -> None:
    """With faults at a rate p and r retries a step, 1 - p^(r+1) of its runs are accepted."""
    rate, runs = 0.4, 40
    injector = FaultInjector(seed=11, rates={"raise": rate}, clock=stage.clock)
    agents = {"work": injector.wrap(il.Worker(name="work", agent=lambda brief: 1))}
    steps = [
        build_step(
            f"r{retries}", "work", retry=il.Retry(max_attempts=retries + 1, backoff=timedelta(0))
        )
        for retries in range(3)
    ]
    async with stage.open(agents, *steps, team="retries") as desk:
        for number in range(runs):
            await desk.ainvoke("Try", thread_id=f"t{number}")
        metrics = await desk.ametrics(team="retries")
    struck = Counter((one.place.step_id, one.place.attempt) for one in injector.injections)
    assert [row.step for row in metrics.steps] == ["r0", "r1", "r2"]
    for retries, row in enumerate(metrics.steps):
        low, high = find_interval(1 - rate ** (retries + 1), runs)
        assert low <= row.accepted <= high
        assert row.decided == runs
        assert row.accepted == runs - struck[row.step, retries + 1]


def find_interval(share: float, of: int) -> tuple[int, int]:
    """Return between which counts 99.9 percent of draws fall, summed from the binomial distribution."""
    tail, low = 0.0, 0
    chances = [
        comb(of, count) * share**count * (1 - share) ** (of - count) for count in range(of + 1)
    ]
    while tail + chances[low] < 0.0005:
        tail += chances[low]
        low += 1
    tail, high = 0.0, of
    while tail + chances[high] < 0.0005:
        tail += chances[high]
        high -= 1
    return low, high
