"""Working on a recorded brief once more, in a world where nothing can change.

The worker is called as it is in a run, inside a LangGraph task of its own; its guarded tools find a
ledger that only answers. What it returns is judged by the criteria, and goes nowhere.
"""

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.pregel import Pregel
from typing_extensions import TypedDict

from interlock.contracts.brief import Brief
from interlock.contracts.criteria import Criterion
from interlock.contracts.errors import ConfigurationError, PlainValueError, StepTimeoutError
from interlock.contracts.ids import WorkerName
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plain import Plain, is_same, parse_plain
from interlock.contracts.replay import (
    RECORDED,
    Recording,
    Replay,
    ReplayChange,
    ReplaySide,
)
from interlock.contracts.safe_words import word_error, word_value
from interlock.contracts.scratchpad import CURRENT_SCRATCHPAD
from interlock.contracts.spending import CallRole
from interlock.contracts.worker import Worker
from interlock.criteria.engine import CriteriaEngine
from interlock.nodes.calls.budget_guard import BudgetGuard
from interlock.nodes.calls.gated_calls import gate_calls
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.team import Team, TeamSpec, find_team_spec
from interlock.nodes.steps.agent_call import (
    AgentResult,
    CallAgent,
    build_function_call,
    read_graph_output,
    shape_graph_input,
)
from interlock.nodes.steps.one_call import call_once
from interlock.orchestrator.replay_budget import build_replay_guard
from interlock.tools.effect_scope import CURRENT_SCOPE, EffectScope
from interlock.tools.replayed_ledger import ReplayedLedger

_ASKED_CHARS: Final = 500


class _Nothing(TypedDict, total=False):
    """The state of a graph that remembers nothing."""

    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTerms:
    """How briefs are replayed.

    Attributes:
        team: Whose workers, checks and judges there are.
        worker: Who works in the place of the recorded worker; None for that one, as it is now;
            `RECORDED` for nobody.
        criteria: In the place of the step's.
    """

    team: Team
    worker: Worker | str | None = None
    criteria: Sequence[Criterion] | None = None


def find_team(team: Team, recorded: Recording) -> Team:
    """Return the team whose step was recorded: the outermost, or one below it.

    Raises:
        ConfigurationError: A worker of a step above is no team here.
    """
    spec = team.spec
    for name in recorded.teams:
        known = spec.workers.get(name)
        nested = find_team_spec(known.agent) if known is not None else None
        if nested is None:
            raise ConfigurationError(
                f"Step {recorded.path!r} was worked on within the team {str(name)!r}, and "
                f"{'there is no such worker here' if known is None else 'that worker is no team here'}. "
                f"{suggest_names(name, spec.workers)}"
            )
        spec = nested
    if spec is team.spec:
        return team
    return Team.build(spec, open_storage=team.open_storage, clock=team.clock)


def choose_worker(terms: ReplayTerms, recorded: Recording) -> Worker | None:
    """Return who works, or None if the recorded output is judged anew.

    Raises:
        ConfigurationError: The team has no such worker, or it is a whole team.
    """
    if isinstance(terms.worker, Worker):
        worker = terms.worker
    elif terms.worker == RECORDED:
        return None
    else:
        name = WorkerName(terms.worker or recorded.output.worker)
        known = terms.team.spec.workers
        if name not in known:
            raise ConfigurationError(
                f"The team has no worker {str(name)!r}. {suggest_names(name, known)} Name another, "
                f"or {RECORDED!r} to judge the recorded output anew."
            )
        worker = known[name]
    if find_team_spec(worker.agent) is not None:
        raise ConfigurationError(
            f"Worker {str(worker.name)!r} of step {recorded.path!r} is a whole team: its steps have "
            f"briefs of their own. Replay one of them, as {recorded.path}/inner, or judge the "
            f"recorded output anew with the worker {RECORDED!r}."
        )
    return worker


async def replay(terms: ReplayTerms, recorded: Recording) -> Replay:
    """Return what a recorded brief comes to now, beside what was recorded.

    Raises:
        ConfigurationError: Nobody can work on it.
        ContractError: The brief cannot be made again as it was.
    """
    terms = dataclasses.replace(terms, team=find_team(terms.team, recorded))
    require_criteria(terms)
    worker = choose_worker(terms, recorded)
    stage = _Stage(
        team=terms.team,
        recorded=recorded,
        brief=recorded.build_brief(),
        ledger=ReplayedLedger(recorded.effects, attempt=recorded.attempt_suffix),
        live=terms.team.build_live(recorded.thread_id),
    )
    side = recorded.output if worker is None else await _work(stage, worker)
    if side.error is None and side.asked is None:
        side = await _judge(stage, side, worker, criteria=terms.criteria)
    return Replay(
        thread_id=recorded.thread_id,
        step=recorded.path,
        attempt=recorded.attempt,
        brief_hash=recorded.brief_hash,
        recorded=recorded.output,
        replayed=side,
        is_same_value=_is_same(recorded.output, side),
        change=_compare(recorded.output, side, refused=stage.ledger.refused),
        effects_answered=stage.ledger.answered,
        effects_refused=tuple(stage.ledger.refused),
    )


def require_criteria(terms: ReplayTerms, *, within: bool = False) -> None:
    """Return if the criteria can be decided by the team, or by one of those within it.

    Raises:
        ConfigurationError: One can never be decided.
    """
    engines = [terms.team.criteria]
    if within:
        specs = _list_specs(terms.team.spec)
        engines += [CriteriaEngine(spec.checks, spec.judges) for spec in specs]
    for criterion in terms.criteria or ():
        problems = [engine.find_criterion_problem(criterion) for engine in engines]
        if all(problems):
            raise ConfigurationError(f"A criterion {problems[0]}")


def _list_specs(spec: TeamSpec) -> Iterator[TeamSpec]:
    """Go through the teams within a team, however deep."""
    for worker in spec.workers.values():
        nested = find_team_spec(worker.agent)
        if nested is not None:
            yield nested
            yield from _list_specs(nested)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """All that one replay has in the place of the world.

    Attributes:
        team: At work.
        recorded: What is replayed.
        brief: As it was shown.
        ledger: Answers guarded calls.
        live: Holds the budgets.
    """

    team: Team
    recorded: Recording
    brief: Brief
    ledger: ReplayedLedger
    live: LiveRun

    @property
    def limit_seconds(self) -> float | None:
        """How long the worker may take, and then each judge."""
        timeout = self.recorded.step.timeout or self.team.spec.policy.timeout
        return None if timeout is None else timeout.total_seconds()

    def open_scope(self, worker: Worker) -> EffectScope:
        """Return where the worker's guarded calls find the ledger."""
        return EffectScope(
            ledger=self.ledger,
            flights=self.ledger.flights,
            thread_id=self.recorded.thread_id,
            step_id=self.recorded.path,
            worker=worker.name,
            attempt=self.recorded.attempt_suffix,
            is_own=self.recorded.step.effect_keys == "worker",
            clock=self.team.clock,
            declarations=dict(self.team.tools),
        )

    def guard(self, role: CallRole, name: str) -> BudgetGuard:
        """Return what bounds the calls of models."""
        return build_replay_guard(self.team, self.live, self.recorded, role=role, worker=name)


async def _work(stage: _Stage, worker: Worker) -> ReplaySide:
    call, brief = _build_call(worker), stage.brief
    scope = stage.open_scope(worker)
    results: list[AgentResult] = []

    async def work(state: _Nothing, config: RunnableConfig) -> _Nothing:
        del state
        CURRENT_SCOPE.set(scope)
        CURRENT_SCRATCHPAD.set(brief.scratchpad)
        with gate_calls(stage.guard("worker", worker.name), config) as gated:
            results.append(await call_once(call, brief, gated))
        return _Nothing(done=True)

    limit = asyncio.timeout(stage.limit_seconds)
    try:
        async with limit:
            ended = await _build_graph(work).ainvoke({}, {"configurable": {"thread_id": "replay"}})
    except TimeoutError as exc:
        seconds = stage.limit_seconds or 0.0
        late = StepTimeoutError(step_id=stage.recorded.step.id, seconds=seconds)
        return _fail(worker, late if limit.expired() else exc)
    except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:  # noqa: BLE001 - the worker's own, also a panic in Rust: it is shown
        return _fail(worker, exc)
    finally:
        scope.end()
        brief.scratchpad.close()
    if asked := ended.get("__interrupt__"):
        words = "; ".join(word_value(one.value, _ASKED_CHARS) for one in asked)
        return ReplaySide(worker=worker.name, asked=words)
    return _read(worker, results[-1])


def _build_graph(work: Any) -> Pregel[Any, Any, Any, Any]:  # noqa: ANN401 - a node
    graph = StateGraph(_Nothing)
    graph.add_node("work", work)
    graph.add_edge(START, "work")
    graph.add_edge("work", END)
    return graph.compile(checkpointer=InMemorySaver(), name="replay")


def _build_call(worker: Worker) -> CallAgent:
    agent = worker.agent
    if not isinstance(agent, Pregel):
        return build_function_call(worker)
    graph: Pregel[Any, Any, Any, Any] = agent

    async def call(brief: Brief, config: RunnableConfig) -> AgentResult:
        return read_graph_output(await graph.ainvoke(shape_graph_input(graph, brief), config))

    return call


def _read(worker: Worker, result: AgentResult) -> ReplaySide:
    if result.failure is not None:
        return _fail(worker, result.failure)
    try:
        return ReplaySide(worker=worker.name, value=parse_plain(result.value))
    except PlainValueError as exc:
        return _fail(worker, exc)


def _fail(worker: Worker, error: BaseException) -> ReplaySide:
    words = f"{type(error).__name__}: {word_error(error)}"
    return ReplaySide(worker=worker.name, error=words, accepted=False)


async def _judge(
    stage: _Stage, side: ReplaySide, worker: Worker | None, *, criteria: Sequence[Criterion] | None
) -> ReplaySide:
    step, known = stage.recorded.step, stage.team.spec.workers
    if criteria is not None:
        step = step.model_copy(update={"criteria": tuple(criteria)})
    with gate_calls(stage.guard("judge", "judges")):
        findings = await stage.team.criteria.review(
            side.value,
            stage.brief,
            step=step,
            worker=worker or known.get(WorkerName(stage.recorded.output.worker)),
            limit_seconds=stage.limit_seconds,
        )
    accepted = all(finding.passed for finding in findings)
    return side.model_copy(update={"findings": findings, "accepted": accepted})


def _is_same(recorded: ReplaySide, replayed: ReplaySide) -> bool:
    if recorded.error is not None or replayed.error is not None or replayed.asked is not None:
        return recorded.error is not None and recorded.error == replayed.error
    one: Plain = recorded.value
    return is_same(one, replayed.value)


def _compare(recorded: ReplaySide, replayed: ReplaySide, *, refused: Sequence[str]) -> ReplayChange:
    """Return how the verdict changes.

    Nobody knows it if a call had no answer, or if it was not the criteria that refused the output:
    what the shared context would say now is not asked.
    """
    if refused or recorded.is_refused_by_others:
        return "not_comparable"
    if recorded.accepted is None or replayed.accepted is None:
        return "not_comparable"
    if recorded.accepted == replayed.accepted:
        return "same"
    return "now_accepted" if replayed.accepted else "now_refused"
