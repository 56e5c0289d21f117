"""One life of a team under the crash kit, in a process of its own: run or resume, perhaps die.

Called by `crash_zygote` in a forked process. Writes down each start of a worker as it happens, and
what the run came to at the end; `crash_kit` compares.
"""

import inspect
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from langchain_core.runnables import Runnable

from interlock.checkpoints import SqlStorage
from interlock.contracts.brief import Brief
from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId
from interlock.contracts.outcome import TERMINAL_STEP_STATUSES, RunResult
from interlock.contracts.plain import parse_plain
from interlock.contracts.policy import Budget
from interlock.contracts.question import Answer
from interlock.contracts.spending import sum_usage
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.nodes.run.team import TeamSpec, find_team_spec
from interlock.orchestrator import Orchestrator
from interlock.orchestrator.named_teams import find_named, find_named_team
from interlock.telemetry.events import AttemptStarted, RunStopped
from interlock.tools.declaration import is_async
from interlock.tools.effect_scope import CURRENT_SCOPE

_MOST_ANSWERS: Final = 100
_FINAL: Final = TERMINAL_STEP_STATUSES - {"blocked"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeOrder:
    """What a process is to do.

    Attributes:
        team: As module:attribute.
        goal: What the run is for.
        context: The shared context that it starts with.
        url: Of the storage.
        thread_id: The run's.
        work: The folder that the team works in.
        notes: The folder that the kit writes to.
        side: `before` or `after` the commit at which to die; None to live.
        index: Which commit, counted from 1 in this process.
        answer: Answers questions, as module:attribute of a function; None to leave them open.
        observe: Returns what the team has changed outside, as module:attribute; None for nothing.
    """

    team: str
    goal: str
    context: Mapping[str, Any] | None
    url: str
    thread_id: str
    work: str
    notes: str
    side: str | None = None
    index: int = 0
    answer: str | None = None
    observe: str | None = None


class _DieAt:
    """Counts commits once it is armed, and kills this process at one of them."""

    def __init__(self, side: str | None, index: int) -> None:
        self._place = (side, index)
        self._last = 0
        self._first: int | None = None

    @property
    def commits(self) -> int:
        return self._last - (self._first or 0)

    def arm(self) -> None:
        """Count from here: what came before was the storage's own, such as migrations."""
        self._first = self._last

    def before_commit(self, index: int) -> None:
        self._die_at("before", index)

    def after_commit(self, index: int) -> None:
        self._last = index
        self._die_at("after", index)

    def _die_at(self, side: str, index: int) -> None:
        if self._first is not None and (side, index - self._first) == self._place:
            os.kill(os.getpid(), signal.SIGKILL)


class _Notes:
    """Lines that outlive a kill: each is with the system before anything goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, line: object) -> None:
        file = os.open(self._folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{json.dumps(line)}\n".encode())
        os.close(file)

    def read(self, name: str) -> list[Any]:
        path = self._folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def live(order: LifeOrder) -> None:
    """Start the run or go on with it; at its end write `result.json` into the kit's folder."""
    os.chdir(order.work)
    notes = _Notes(Path(order.notes))
    team = _load_team(order.team)
    hook = _DieAt(order.side, order.index)
    storage = SqlStorage(order.url, write_hook=hook)
    await storage.connect()
    hook.arm()
    desk = _copy_watched(team.team_spec, storage, notes)
    problems = await _look_back(storage, order, notes)
    async with desk:
        result = await _drive(desk, storage, order, notes)
        handoffs = await storage.load_handoffs(ThreadId(order.thread_id))
        problems += _find_unrecorded(handoffs, notes)
        problems += await _look_again(desk, order, notes, result)
        if (grown := await _find_grown(storage, order, handoffs)) and result.status != "waiting":
            problems.append(grown)
        said = await _sum_up(desk, storage, order, result)
    await storage.aclose()
    said.update(problems=[*dict.fromkeys(problems)], commits=hook.commits)
    (Path(order.notes) / "result.json").write_text(json.dumps(said))


def _load_team(name: str) -> Orchestrator:
    team = find_named_team(name)
    if team.encryption is not None:
        raise ConfigurationError(
            f"{name!r} is a team with encryption keys. The crash kit uses a storage of its own: "
            "name a function that builds the team without them."
        )
    return team


def _copy_watched(spec: TeamSpec, storage: SqlStorage | str, notes: _Notes) -> Orchestrator:
    """Return a team on another storage; starts of functions are noted, in teams within it too."""
    return Orchestrator(
        workers=[_watch(worker, notes) for worker in spec.workers.values()],
        planner=spec.planner,
        storage=storage,
        policy=spec.policy,
        checks=spec.checks,
        judges=spec.judges,
        models=spec.models,
        context=spec.context,
    )


def _watch(worker: Worker, notes: _Notes) -> Worker:
    agent = worker.agent
    if (nested := find_team_spec(agent)) is not None:
        within = _copy_watched(nested, "memory://", notes)  # works in the storage of the run
        return worker.model_copy(update={"agent": within})
    if isinstance(agent, Runnable):
        return worker
    function: Callable[[Brief], Any] = agent

    def note(brief: Brief) -> None:
        scope = CURRENT_SCOPE.get()
        step_id = brief.step_id if scope is None else scope.step_id
        notes.add("starts", [step_id, brief.attempt])

    async def call(brief: Brief) -> object:
        note(brief)
        return await function(brief)

    def call_blocking(brief: Brief) -> object:
        note(brief)
        return function(brief)

    return worker.model_copy(update={"agent": call if is_async(function) else call_blocking})


async def _look_back(storage: Storage, order: LifeOrder, notes: _Notes) -> list[str]:
    """Return what an earlier life has left that breaks a promise, and note what has settled."""
    handoffs = await storage.load_handoffs(ThreadId(order.thread_id))
    notes.add("settled", sorted(list_settled(handoffs)))
    return _find_unrecorded(handoffs, notes)


def _find_unrecorded(handoffs: Sequence[Handoff], notes: _Notes) -> list[str]:
    """Return which attempts have started without their brief in the journal (I8)."""
    briefs = {(handoff.step_id, handoff.attempt) for handoff in handoffs if handoff.kind == "brief"}
    return [
        f"I8: attempt {attempt} of step {step!r} had started, and its brief is not in the journal"
        for step, attempt in notes.read("starts")
        if (step, attempt) not in briefs
    ]


def list_settled(handoffs: Sequence[Handoff]) -> set[str]:
    """Return the steps that no later life may start again (I6).

    A step that was only blocked may be rewired. What is below one whose attempt was refused, a
    nested team's, is done anew with its next attempt.
    """
    settled: set[str] = set()
    for handoff in handoffs:
        step = str(handoff.step_id)
        verdict = handoff.verdict.action if handoff.verdict is not None else None
        is_settlement = handoff.kind == "settlement" and handoff.status in _FINAL
        if is_settlement or (handoff.kind == "output" and verdict == "accept"):
            settled.add(step)
        elif handoff.kind == "output":
            settled -= {one for one in settled if one.startswith(f"{step}/")}
    return settled


async def _drive(
    desk: Orchestrator, storage: Storage, order: LifeOrder, notes: _Notes
) -> RunResult:
    thread_id = order.thread_id
    if await storage.load_run(ThreadId(thread_id)) is None:
        result = await _watch_events(
            desk, notes, {"goal": order.goal, "thread_id": thread_id, "context": order.context}
        )
    else:
        result = await _watch_events(desk, notes, {"thread_id": thread_id})
    if order.answer is None:
        return result
    answer: Callable[[Any], Answer | None] = find_named(order.answer, what="function")
    for _ in range(_MOST_ANSWERS):
        answers = {question.id: answer(question) for question in result.questions}
        given = {key: one for key, one in answers.items() if one is not None}
        if result.status != "waiting" or not given:
            return result
        result = await _watch_events(desk, notes, {"thread_id": thread_id, "answers": given})
    return result


async def _watch_events(desk: Orchestrator, notes: _Notes, call: dict[str, Any]) -> RunResult:
    settled = set(notes.read("settled")[-1])
    result: RunResult | None = None
    async for event in desk.astream(**call):
        if isinstance(event, AttemptStarted):
            if event.step_id in settled:
                notes.add("again", event.step_id)
            settled -= {one for one in settled if one.startswith(f"{event.step_id}/")}
        elif isinstance(event, RunStopped):
            result = event.result
    assert result is not None  # noqa: S101 - a stream ends with RunStopped or raises
    return result


async def _look_again(
    desk: Orchestrator, order: LifeOrder, notes: _Notes, result: RunResult
) -> list[str]:
    """Resume a run that has ended: the result stays, and nothing runs (I9)."""
    problems = [f"I6: step {step!r} had settled, and started again" for step in notes.read("again")]
    if result.status == "waiting":
        return problems
    before = len(notes.read("starts"))
    again = await desk.aresume(order.thread_id)
    if again.status != result.status or again.outputs != result.outputs:
        problems.append(f"I9: the run was {result.status}, and after another resume {again.status}")
    if len(notes.read("starts")) != before:
        problems.append("I9: a worker started after the run had ended")
    return problems


async def _find_grown(storage: Storage, order: LifeOrder, before: Sequence[Handoff]) -> str | None:
    """Return what is wrong if the journal has grown since the run has ended (I9)."""
    grown = len(await storage.load_handoffs(ThreadId(order.thread_id))) - len(before)
    return f"I9: {grown} handoffs were recorded after the run had ended" if grown else None


async def _sum_up(
    desk: Orchestrator, storage: Storage, order: LifeOrder, result: RunResult
) -> dict[str, Any]:
    """Return what is compared with an uninterrupted run."""
    thread_id = ThreadId(order.thread_id)
    effects = await storage.ledger.apply(ListEffects(thread_id=thread_id))
    observed = None
    if order.observe is not None:
        observed = find_named(order.observe, what="function")()
        observed = await observed if inspect.isawaitable(observed) else observed
    handoffs = await storage.load_handoffs(thread_id)
    return {
        "status": result.status,
        "outputs": parse_plain(dict(result.outputs)),
        "gaps": sorted(result.gaps),
        "steps": {
            str(step): [outcome.status, outcome.worker, outcome.attempts]
            for step, outcome in result.outcomes.items()
        },
        "questions": sorted({question.kind for question in result.questions}),
        "effects": sorted(
            [effect.step_id, effect.tool, effect.arguments_hash, effect.state] for effect in effects
        ),
        "observed": parse_plain(observed),
        "journal": Counter(
            f"{one.kind} of attempt {one.attempt} of step {one.step_id!r}"
            for one in handoffs
            if one.kind in {"brief", "output"}
        ),
        "spent": await _find_overspent(storage, thread_id, desk.team_spec.policy.budget),
    }


async def _find_overspent(storage: Storage, thread_id: ThreadId, budget: Budget) -> list[str]:
    """Return which bounds of the run's budget all lives together have passed (I11)."""
    spending = await storage.load_spending(thread_id)
    usage = sum_usage(spending, attempts=sum(count for _, count in spending.attempts))
    bounds: dict[str, tuple[int | Decimal, int | Decimal | None]] = {
        "attempts": (usage.attempts, budget.attempts),
        "tokens": (usage.tokens, budget.tokens),
        "model_calls": (usage.model_calls, budget.model_calls),
        "money": (usage.money, budget.money),
    }
    return [
        f"I11: {name}: {used} were used, and the budget is {bound}"
        for name, (used, bound) in bounds.items()
        if bound is not None and used > bound
    ]
