"""`interlock bench faults`: what comes out wrong, what is said of it, and what it costs."""

import asyncio
from typing import Any, cast

import pytest

from interlock.bench import fault_campaign
from interlock.bench.fault_campaign import (
    CampaignPlan,
    FaultRow,
    derive_interval,
    list_misses,
    run_campaign,
)
from interlock.bench.fault_contenders import CONTENDERS, OURS
from interlock.bench.fault_desk import FaultDesk
from interlock.bench.fault_job import ANSWER, build_job
from interlock.bench.fault_kinds import KINDS, MIX, NEEDS_EFFECT, FaultPlan, derive_mast_shares
from interlock.bench.fault_run import FaultRun
from interlock.bench.fault_worker import FaultyWorker
from interlock.checkpoints import open_storage
from interlock.contracts.errors import ContractError
from interlock.contracts.storage import Storage
from interlock.demo.retail_faults import CHAIN, ORIGINAL, run_retail_campaign
from interlock.demo.retail_faults import OURS as SHOP
from tests.integration.cli.shell import Shell, require_clean


def run(kinds: list[str], *, runs: int, rates: list[float], steps: int) -> list[FaultRow]:
    """Run a campaign of its own size."""
    told: list[object] = []
    plan = CampaignPlan(runs=runs, rates=rates, steps=steps, kinds=kinds, timeout_seconds=0.3)
    rows = run_campaign(plan, tell=lambda *what: told.append(what))
    assert len(told) == len(rows) == len(CONTENDERS) * (1 + len(kinds) * len(rates))
    return rows


def pick(rows: list[FaultRow], contender: str, kind: str | None) -> FaultRow:
    """Return a contender's row of a kind."""
    return next(row for row in rows if (row.contender, row.kind) == (contender, kind))


def test_a_wrong_value_stops_at_the_review_and_nowhere_else() -> None:
    """Half the attempts wrong: interlock says what is missing, the others say that all is well."""
    rows = run(["wrong value", "unseen value"], runs=2, rates=[0.5], steps=12)
    for contender in CONTENDERS:
        bare = pick(rows, contender, None)
        assert (bare.right, bare.attempts, bare.tokens, bare.doubles) == (1, 1, 1, 0)
        wrong = pick(rows, contender, "wrong value").silently_wrong
        assert wrong == (0 if contender == OURS else 1)
        unseen = pick(rows, contender, "unseen value")
        assert (unseen.silently_wrong, unseen.is_seen, unseen.completed) == (1, False, 1)
    ours = pick(rows, OURS, "wrong value")
    assert ours.attempts > 1
    assert ours.tokens > 1
    assert list_misses(rows) == []


def test_effects_are_made_once_and_claims_are_looked_up() -> None:
    """A lost answer makes no effect twice, a claimed one is not believed; the others do both."""
    rows = run(["lost answer", "no effect"], runs=2, rates=[0.4], steps=12)
    for contender in CONTENDERS:
        lost, claimed = (pick(rows, contender, kind) for kind in ("lost answer", "no effect"))
        is_ours = contender == OURS
        assert (lost.doubles == 0) == is_ours
        assert (claimed.phantoms == 0) == is_ours
    assert pick(rows, OURS, "lost answer").right == 1


async def test_whoever_tries_meets_the_same_faults() -> None:
    """Faults depend on seed, run, step and attempt alone, and strike where they can."""
    faults = FaultPlan(seed=3, kind=MIX, rate=0.3)
    steps = build_job(seed=3, steps=12).steps

    def draw(plan: FaultPlan) -> list[object]:
        return [
            plan.draw(run=run, step=s.id, attempt=1, has_effect=s.books)
            for run in range(200)
            for s in steps
        ]

    drawn = draw(faults)
    assert drawn == draw(FaultPlan(seed=3, kind=MIX, rate=0.3))
    assert drawn != draw(FaultPlan(seed=4, kind=MIX, rate=0.3))
    struck = [kind for kind in drawn if kind is not None]
    low, high = derive_interval(0.3, len(drawn))
    assert low < len(struck) / len(drawn) < high
    assert set(struck) == set(derive_mast_shares())
    assert not any(
        FaultPlan(seed=1, kind=kind, rate=1.0).draw(run=0, step="s", attempt=1, has_effect=False)
        for kind in NEEDS_EFFECT
    )


async def test_figures_are_counted_from_the_journal() -> None:
    """One attempt of each step of a run without faults, and a person only where one is declared."""
    job = build_job(seed=5, steps=12)
    async with open_storage("memory://") as storage:
        for kind, rate in ((None, 0.0), ("error", 1.0)):
            plan = FaultPlan(seed=5, kind=kind, rate=rate)
            worker = FaultyWorker(job=job, plan=plan, run=0)
            done = await FaultDesk(worker, storage, timeout_seconds=5).run()
            if kind is None:
                assert (done.end, done.attempts, done.escalations) == ("completed", 12, 0)
                assert (done.done_steps, done.expected_steps) == (12, 12)
                continue
            # 12 steps of three tries; a second worker's three at s00, s04, s08 and the answer;
            # a person at s03, s07 and the answer.
            assert (done.end, done.attempts, done.escalations) == ("degraded", 48, 3)
            assert (done.done_steps, done.expected_steps, done.calls) == (0, 0, 0)
            assert (done.has_answer, done.is_right, done.is_silently_wrong) == (True, False, False)


async def test_an_attempt_that_is_cut_off_after_its_work_is_seen() -> None:
    """A retry that no fault has caused is the machine's doing, and counts as such."""
    job = build_job(seed=5, steps=4)
    step = job.steps[0]

    async def book(step: str) -> str:
        return worker.make_entry(step)

    for rate, overdue in ((0.0, 1), (1.0, 0)):
        plan = FaultPlan(seed=5, kind="wrong value", rate=rate)
        worker = FaultyWorker(job=job, plan=plan, run=0)
        for _ in range(2):
            await worker.work(step, {}, book=book)
        assert worker.overdue == overdue


async def test_a_slow_machine_makes_no_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that runs out of time and was not drawn to is not counted: its run is run anew."""
    job = build_job(seed=5, steps=4)
    booking = next(step for step in job.steps if step.books)
    given: list[float] = []

    async def contend(worker: FaultyWorker, storage: Storage, seconds: float) -> FaultRun:
        given.append(seconds)
        needed = {need: booking.derive_cell({}, receipt=None) for need in booking.needs}

        async def book(step: str) -> str:
            if seconds < enough:
                await asyncio.Event().wait()
            return worker.make_entry(step)

        work = asyncio.create_task(worker.work(booking, needed, book=book))
        await asyncio.wait([work], timeout=0.05)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return await CONTENDERS[OURS](worker.start_anew(), storage, 60 + seconds)

    monkeypatch.setitem(cast("dict[str, Any]", fault_campaign.CONTENDERS), "slow", contend)
    calm = FaultyWorker(job=job, plan=FaultPlan(seed=5, kind="hung", rate=0.0), run=0)
    async with open_storage("memory://") as storage:
        enough = 2
        done = await fault_campaign._run_in_time("slow", calm, storage, 1)
        assert (done.is_right, given) == (True, [1, 4])
        enough = 99
        with pytest.raises(ContractError, match="too busy to measure"):
            await fault_campaign._run_in_time("slow", calm, storage, 2)
    assert given == [1, 4, 2, 8, 32]


def test_the_right_answer_is_known_without_running_anything() -> None:
    """The answer of a job rests on every step, and is another one where a step is missing."""
    job = build_job(seed=2, steps=40)
    whole = job.derive_answer()
    assert whole[1] >= sum(step.weight for step in job.steps)
    others = [step.id for step in job.steps if step.id != ANSWER]
    assert all(job.derive_answer([step])[1] < whole[1] for step in others)


@pytest.mark.parametrize(
    ("share", "of", "low", "high"),
    [
        (0.5, 100, 34, 66),  # as tables of the binomial distribution say: P(X <= 33) = 0.00044
        (0.5, 10, 0, 10),  # P(X = 0) = 0.00098
        (0.5, 11, 1, 10),  # P(X = 0) = 0.00049
        (1.0, 40, 40, 40),
    ],
)
def test_the_interval_is_binomial(share: float, of: int, low: int, high: int) -> None:
    """Outside it lie at most five counts in ten thousand, on either side."""
    assert derive_interval(share, of) == pytest.approx((low / of, high / of))


def test_the_command_prints_a_table_and_judges(shell: Shell) -> None:
    """In 80 columns, a row for every kind and contender, and a last line about the aims."""
    sizes = ("--runs", "1", "--rates", "1", "--steps", "4", "--tickets", "1")
    kinds = ("wrong value", "other step", MIX)
    named = [word for kind in kinds for word in ("--kind", kind)]
    done = shell.run("bench", "faults", *sizes, *named)
    require_clean(done.out)
    lines = done.out.splitlines()
    assert max(map(len, lines[: lines.index("")])) < 80
    assert lines[0].split()[:3] == ["FAULT", "RATE", "WRONG"]
    for kind in kinds:
        count = sum(line.startswith(f" {kind} ") for line in lines)
        assert count == (
            6 if kind == "other step" else 3
        )  # the injector has no kind for the others
    assert {"interlock shop", "lg-super, shop", "chain, shop"} < set(lines)
    assert done.code == 0
    assert "The aims hold: " in done.out
    assert "  interlock: wrong value at 1%\n" in done.err


def test_the_desk_knows_a_wrong_answer_by_its_recorded_hash() -> None:
    """Of a ticket's recorded answers, another order's is refused; the two others take and report it."""
    plan = CampaignPlan(runs=1, rates=[1.0], kinds=["other step", "lost answer", "cut off"])
    rows = run_retail_campaign(plan, most=1, tell=lambda *_: None)
    assert [row.right for row in rows if row.kind is None] == [1, 1, 1]
    ours = pick(rows, SHOP, "other step")
    assert (ours.silently_wrong, ours.done_steps, ours.completed) == (0, 0, 0)
    lost = pick(rows, SHOP, "lost answer")
    assert (lost.doubles, lost.escalated) == (0, 1)
    for name in (ORIGINAL, CHAIN):
        other = pick(rows, name, "other step")
        assert (other.silently_wrong, other.completed) == (1, 1)
        assert pick(rows, name, "cut off").silently_wrong == 1
        assert pick(rows, name, "lost answer").completed == 0
    attempts = {name: pick(rows, name, "lost answer").attempts for name in (ORIGINAL, CHAIN)}
    assert attempts[ORIGINAL] == attempts[CHAIN] > 1  # the same faults meet the same retries
    assert list_misses(rows) == []


@pytest.mark.parametrize("rates", ["", "5,x", "0", "101"])
def test_rates_that_are_none_are_refused(shell: Shell, rates: str) -> None:
    """What is no percent is named, and nothing is run."""
    done = shell.call("bench", "faults", "--rates", rates)
    assert (done.code, done.out) == (2, "")
    assert f"--rates is {rates!r}" in done.err


def test_a_kind_that_is_none_is_refused(shell: Shell) -> None:
    """The kinds that there are are listed."""
    done = shell.call("bench", "faults", "--kind", "gremlins")
    assert (done.code, done.out) == (2, "")
    assert "no kind of fault 'gremlins'. Known are 'error', 'rate limit'" in done.err


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_campaign_holds() -> None:
    """Every kind at 5, 20 and 50 percent on 40 steps: no wrong value in silence, and the law holds."""
    rows = run([*KINDS, MIX], runs=10, rates=[0.05, 0.2, 0.5], steps=40)
    plan = CampaignPlan(runs=1, rates=[0.05, 0.2, 0.5])
    rows += run_retail_campaign(plan, most=12, tell=lambda *_: None)
    assert list_misses(rows) == []
    unseen = [row for row in rows if row.kind == "unseen value" and row.rate > 0.1]
    others = {*CONTENDERS} - {OURS}
    assert all(row.silently_wrong > 0 for row in unseen)
    assert all(
        row.silently_wrong > 0.9
        for row in rows
        if row.kind == "other step" and row.contender in others and row.rate > 0.1
    )
