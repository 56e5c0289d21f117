"""The shop, the ticket planner and the desk's workers on the whole benchmark, without a run graph.

Expected answers and states come from the benchmark's files in `workloads/tau`.
"""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from interlock.checkpoints import open_storage
from interlock.contracts.brief import Brief, Scratchpad
from interlock.contracts.plain import Plain, freeze, parse_plain
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.plan_validation import validate_task_graph
from interlock.contracts.storage import Storage
from interlock.contracts.worker import PlanRequest
from interlock.criteria import CriteriaEngine
from interlock.demo.desk import build_workers
from interlock.demo.shop import TOOLS, Shop
from interlock.demo.ticket_planner import REPORT_STEP, TicketPlanner, plan_ticket
from interlock.demo.ticket_turns import TicketTurns
from interlock.demo.tickets import Ticket, TicketFile, load_tickets
from interlock.tools.effect_scope import effects

STEPS = count(1)
WORKLOADS = Path(__file__).resolve().parents[2] / "workloads"


@pytest.fixture(scope="module")
def benchmark() -> Path:
    """Return the folder of the retail benchmark."""
    return WORKLOADS / "tau"


@pytest.fixture(scope="module")
def tickets(benchmark: Path) -> TicketFile:
    """Return the tickets of the benchmark."""
    return load_tickets(benchmark / "retail_test.json")


@pytest.fixture(scope="module")
def concurrency(benchmark: Path) -> dict[str, Any]:
    """Return which tickets are disjoint, which conflict, and the states they end in."""
    return json.loads((benchmark / "retail_test_concurrency.json").read_text())


@pytest.fixture(scope="module")
def template(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterable[Shop]:
    """Return a shop in the initial state, to be copied and not changed."""
    path = tmp_path_factory.mktemp("template") / "shop.db"
    with Shop.create(path, data=benchmark / "retail_db") as shop:
        yield shop


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    """Return where effects are recorded."""
    async with open_storage("memory://") as opened:
        yield opened


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    """Return where a test's own copy of the shop lies."""
    return tmp_path / "shop.db"


def build_brief(step: Step, outputs: Mapping[str, Plain]) -> Brief:
    """Return what a worker is shown: outputs of needed steps by id, unless inputs are named."""
    needed = {need.step: outputs[need.step] for need in step.needs} if step.inputs is None else {}
    return Brief(
        step_id=step.id,
        attempt=1,
        instruction=step.instruction,
        inputs=freeze({**needed, **step.arguments}),
        context=freeze({}),
        scratchpad=Scratchpad(),
    )


class Desk:
    """Executes task graphs on one shop and reviews every output."""

    def __init__(self, shop: Shop, storage: Storage) -> None:
        self.storage = storage
        self.workers = {worker.name: worker for worker in build_workers(shop)}
        self.criteria = CriteriaEngine({})

    async def run_step(self, step: Step, outputs: dict[str, Plain]) -> None:
        worker = self.workers[step.worker]
        brief = build_brief(step, outputs)
        with effects(ledger=self.storage, scope=f"step {next(STEPS)}"):
            output = parse_plain(await worker.agent(brief))
        findings = await self.criteria.review(output, brief, step=step, worker=worker)
        assert all(finding.passed for finding in findings), findings
        outputs[step.id] = output

    async def run_in_order(self, graph: TaskGraph, draw: random.Random) -> dict[str, Plain]:
        """Execute one step after another, in an order drawn among those the needs allow."""
        outputs: dict[str, Plain] = {}
        left = list(graph.steps)
        while left:
            ready = [step for step in left if all(need.step in outputs for need in step.needs)]
            step = draw.choice(ready)
            await self.run_step(step, outputs)
            left.remove(step)
        return outputs

    async def run_in_parallel(self, graph: TaskGraph, draw: random.Random) -> dict[str, Plain]:
        """Execute each step as soon as its needs have settled and a drawn number of turns passed."""
        outputs: dict[str, Plain] = {}
        settled = {step.id: asyncio.Event() for step in graph.steps}

        async def run(step: Step, turns: int) -> None:
            for need in step.needs:
                await settled[need.step].wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            await self.run_step(step, outputs)
            settled[step.id].set()

        async with asyncio.TaskGroup() as group:
            for step in draw.sample(graph.steps, len(graph.steps)):
                group.create_task(run(step, draw.randrange(20)))
        return outputs


def check_answers(ticket: Ticket, outputs: Mapping[str, Plain]) -> None:
    """Compare every answer with the recorded hash and refusal."""
    for index, action in enumerate(ticket.actions, start=1):
        output = outputs[f"a{index:02d}_{action.name}"]
        seen = hashlib.sha256(output["answer"].encode()).hexdigest()
        assert seen == action.obs_sha256, (ticket.id, action.name, output["answer"][:200])
        assert (output["answer"] if output["refused"] else None) == action.error


def test_tools_have_the_published_names_and_arguments(benchmark: Path) -> None:
    """The sixteen tools take exactly the arguments of the published schema."""
    published = json.loads((benchmark / "retail_tools_schema.json").read_text())
    expected = {
        entry["name"]: {
            name: str if shape["type"] == "string" else list[str]
            for name, shape in entry["parameters"]["properties"].items()
        }
        for entry in published
    }
    assert {name: dict(tool.parameters) for name, tool in TOOLS.items()} == expected


def test_a_new_shop_has_the_recorded_initial_hash(template: Shop, tickets: TicketFile) -> None:
    """The loaded tables hash to the benchmark's initial state."""
    assert len(tickets.tasks) == 115
    assert template.derive_hash() == tickets.initial_db_sha256


def test_recorded_order_gives_recorded_answers_and_states(
    template: Shop, tickets: TicketFile, shop_file: Path
) -> None:
    """Every call of all tickets, in the recorded order, answers and ends as recorded."""
    for ticket in tickets.tasks:
        with template.copy_to(shop_file) as shop:
            for action in ticket.actions:
                answer = shop.call(action.name, action.kwargs)
                assert hashlib.sha256(answer.encode()).hexdigest() == action.obs_sha256, ticket.id
                assert (answer if answer.startswith("Error") else None) == action.error
            assert shop.derive_hash() == ticket.final_db_sha256, ticket.id


async def test_every_plan_is_valid_and_served_by_context_or_goal(
    template: Shop, tickets: TicketFile
) -> None:
    """All plans pass whole-graph validation, however the ticket is named."""
    workers = {worker.name: worker for worker in build_workers(template)}
    planner = TicketPlanner(tickets.tasks)
    for ticket in tickets.tasks:
        named = PlanRequest(goal="x", workers=(), context={"ticket_id": ticket.id})
        graph = await planner.plan(named)
        assert graph == await planner.plan(PlanRequest(goal=f"Answer {ticket.id}.", workers=()))
        validate_task_graph(graph, workers, inspector=CriteriaEngine({}))


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
async def test_any_order_a_plan_allows_gives_recorded_answers_and_states(
    template: Shop,
    tickets: TicketFile,
    shop_file: Path,
    seed: int,
    storage: Storage,
) -> None:
    """Random topological orders of every plan answer and end as recorded, criteria met."""
    draw = random.Random(seed)
    for ticket in tickets.tasks:
        with template.copy_to(shop_file) as shop:
            outputs = await Desk(shop, storage).run_in_order(plan_ticket(ticket), draw)
            check_answers(ticket, outputs)
            assert shop.derive_hash() == ticket.final_db_sha256, ticket.id
            refused = [a for a in outputs[REPORT_STEP]["actions"] if a["outcome"] == "refused"]
            assert len(refused) == sum(action.error is not None for action in ticket.actions)


@pytest.mark.slow
async def test_parallel_steps_give_recorded_answers_and_states(
    template: Shop,
    tickets: TicketFile,
    shop_file: Path,
    storage: Storage,
) -> None:
    """Plans executed with all ready steps at once answer and end as recorded."""
    draw = random.Random(7)
    for ticket in tickets.tasks:
        with template.copy_to(shop_file) as shop:
            outputs = await Desk(shop, storage).run_in_parallel(plan_ticket(ticket), draw)
            check_answers(ticket, outputs)
            assert shop.derive_hash() == ticket.final_db_sha256, ticket.id


@pytest.mark.parametrize("seed", range(4))
async def test_disjoint_tickets_all_at_once_end_in_the_recorded_state(
    template: Shop,
    tickets: TicketFile,
    concurrency: dict[str, Any],
    shop_file: Path,
    seed: int,
    storage: Storage,
) -> None:
    """The batch of disjoint tickets, all at once on one database, loses no update."""
    draw = random.Random(seed)
    batch = [tickets.index_tickets()[key] for key in concurrency["batch"]]
    draw.shuffle(batch)
    with template.copy_to(shop_file) as shop:
        desk = Desk(shop, storage)
        results = await asyncio.gather(
            *(desk.run_in_parallel(plan_ticket(ticket), draw) for ticket in batch)
        )
        for ticket, outputs in zip(batch, results, strict=True):
            check_answers(ticket, outputs)
        assert shop.derive_hash() == concurrency["final_db_sha256"]


@pytest.mark.slow
async def test_conflicting_tickets_end_in_one_of_the_serial_states(
    template: Shop,
    tickets: TicketFile,
    concurrency: dict[str, Any],
    shop_file: Path,
    storage: Storage,
) -> None:
    """Two tickets on the same records, at once but in turns, end as if one came first."""
    draw = random.Random(11)
    before = template.load_tables()
    for pair in concurrency["pairs"]:
        both = [tickets.index_tickets()[pair[side]] for side in draw.sample("ab", 2)]
        with template.copy_to(shop_file) as shop:
            await _run_in_turns(Desk(shop, storage), both, draw)
            assert _derive_pair_hash(before, shop) in {pair["ab"], pair["ba"]}, pair


async def _run_in_turns(desk: Desk, both: list[Ticket], draw: random.Random) -> None:
    turns = TicketTurns()

    async def run(ticket: Ticket) -> None:
        async with turns.take(ticket):
            # Refused calls differ with the order, so outputs are not compared here.
            await desk.run_in_parallel(plan_ticket(ticket), draw)

    await asyncio.gather(*map(run, both))


def _derive_pair_hash(before: Mapping[str, Mapping[str, str]], shop: Shop) -> str:
    changed = {
        f"{table}/{key}": json.loads(document)
        for table, rows in shop.load_tables().items()
        for key, document in rows.items()
        if json.loads(document) != json.loads(before[table][key])
    }
    return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:16]
