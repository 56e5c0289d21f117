"""What the nodes of one team share: its declaration, and what it is handed to work with."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from interlock.contracts.clock import Clock
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import ThreadId, WorkerName
from interlock.contracts.judging import JudgeLike
from interlock.contracts.limits import ModelLimits
from interlock.contracts.policy import RunPolicy
from interlock.contracts.shared_context import OPEN_CONTEXT, SharedContext
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Check, PlannerLike, Worker, WorkerCard
from interlock.criteria import CriteriaEngine
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.slots import WorkerSlots
from interlock.telemetry.events import Event
from interlock.telemetry.spans import SILENT, Telemetry
from interlock.tools.declaration import EffectDeclaration
from interlock.tools.declared_tools import find_declarations


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSpec:
    """A team as declared: who, who plans, under which rules.

    Attributes:
        workers: By name.
        planner: A fixed plan, a planner, or a function.
        policy: What holds for a run.
        checks: Registered checks by name.
        context: The shared context as declared.
        judges: Who reads rubrics, by name.
        models: Breakers and rates, by model name or pattern.
        name: What its runs are counted under in metrics; empty if it has none.
    """

    workers: Mapping[WorkerName, Worker]
    planner: PlannerLike
    policy: RunPolicy
    checks: Mapping[str, Check]
    context: SharedContext = OPEN_CONTEXT
    judges: Mapping[str, JudgeLike] = field(default_factory=dict)
    models: Mapping[str, ModelLimits] = field(default_factory=dict)
    name: str = ""

    def list_roles(self) -> tuple[str, ...]:
        """Return the named spaces that facts of this team, or of teams within it, live in."""
        roles = dict.fromkeys(self.context.list_roles())
        for worker in self.workers.values():
            nested = find_team_spec(worker.agent)
            roles.update(dict.fromkeys(nested.list_roles() if nested is not None else ()))
        return tuple(roles)

    def find_context(self, key: str) -> SharedContext:
        """Return the declared context that says what a fact may be: this team's, unless it does not.

        Of teams within it those facts count that live in named spaces; the others are their own.
        """
        if key in self.context.index_facts():
            return self.context
        for worker in self.workers.values():
            nested = find_team_spec(worker.agent)
            found = nested.find_context(key) if nested is not None else OPEN_CONTEXT
            fact = found.find_fact(key)
            if fact is not None and fact.space is not None:
                return found
        return self.context


def find_team_spec(agent: object) -> TeamSpec | None:
    """Return the declaration behind a team: an Orchestrator, or a run graph that we built."""
    spec = getattr(agent, "team_spec", None)
    if spec is None:
        spec = getattr(getattr(agent, "builder", None), "team_spec", None)
    return spec if isinstance(spec, TeamSpec) else None


@dataclass(slots=True, kw_only=True)
class Team:
    """A team at work in one process.

    Attributes:
        spec: As declared.
        open_storage: Returns the storage, opening it on first use.
        clock: Time.
        criteria: Decides criteria.
        slots: Use of workers over all runs.
        live: Runs under way in this process, by thread and scope; shared with nested teams.
        tools: Declarations of guarded tools by name: those that workers name, and those seen in
            calls; shared with nested teams.
        models: Breakers and rates by model, those of the teams around it too.
        tools_by_worker: The names of the guarded tools that each worker is known to have.
        listeners: Who is told of events, by thread; shared with nested teams.
        telemetry: Who watches all runs; shared with nested teams.
    """

    spec: TeamSpec
    open_storage: Callable[[], Awaitable[Storage]]
    clock: Clock
    criteria: CriteriaEngine
    slots: WorkerSlots
    tools: dict[str, EffectDeclaration] = field(default_factory=dict)
    models: Mapping[str, ModelLimits] = field(default_factory=dict)
    tools_by_worker: Mapping[WorkerName, Sequence[str]] = field(default_factory=dict)
    live: dict[tuple[ThreadId, str], LiveRun] = field(default_factory=dict)
    listeners: dict[ThreadId, list[Callable[[Event], None]]] = field(default_factory=dict)
    telemetry: Telemetry = SILENT

    @classmethod
    def build(
        cls,
        spec: TeamSpec,
        *,
        open_storage: Callable[[], Awaitable[Storage]],
        clock: Clock,
        telemetry: Telemetry = SILENT,
    ) -> "Team":
        """Return a team ready to work.

        Raises:
            ConfigurationError: Two tools of one name are declared in two ways.
        """
        by_worker = {name: _list_tools(worker) for name, worker in spec.workers.items()}
        return cls(
            spec=spec,
            open_storage=open_storage,
            clock=clock,
            criteria=CriteriaEngine(spec.checks, spec.judges),
            slots=WorkerSlots({w.name: w.max_parallel for w in spec.workers.values()}),
            tools=_index_tools(by_worker),
            models=spec.models,
            telemetry=telemetry,
            tools_by_worker={
                name: tuple(one.tool for one in found) for name, found in by_worker.items()
            },
        )

    def list_irreversible(self, worker: WorkerName) -> list[str]:
        """Return the tools of a worker that make effects which can never be undone."""
        names = self.tools_by_worker.get(worker, ())
        return [name for name in names if self.tools[name].irreversible]

    def is_team(self, worker: WorkerName) -> bool:
        """Return whether a worker is a whole team; one that this team does not have is none."""
        known = self.spec.workers.get(worker)
        return known is not None and find_team_spec(known.agent) is not None

    def find_live(self, thread_id: ThreadId, scope: str) -> LiveRun:
        """Return the live part of a run, making it if this process has none yet.

        Two teams that try one step after another have one scope, and each its own live part.
        """
        live = self.live.get((thread_id, scope))
        if live is None or live.workers is not self.slots:
            live = self.live[thread_id, scope] = self.build_live(thread_id, scope)
        return live

    def build_live(self, thread_id: ThreadId, scope: str = "") -> LiveRun:
        """Return a new live part of a run, which nobody finds yet."""
        return LiveRun(
            thread_id=thread_id,
            scope=scope,
            slots_limit=self.spec.policy.max_parallel,
            workers=self.slots,
            budget=self.spec.policy.budget,
            prices=self.spec.policy.prices,
            parent=self._find_parent(thread_id, scope),
        )

    def _find_parent(self, thread_id: ThreadId, scope: str) -> LiveRun | None:
        if not scope:
            return None
        above = "/".join(scope.split("/")[:-2])
        return self.live.get((thread_id, f"{above}/" if above else ""))

    def list_live(self, thread_id: ThreadId) -> list[LiveRun]:
        """Return the live parts of a thread's runs: the run's own, and nested teams'."""
        return [live for key, live in self.live.items() if key[0] == thread_id]

    def forget_live(self, thread_id: ThreadId, scope: str | None = None) -> None:
        """Drop the live part of one run, or of all of a thread's if no scope is named."""
        gone = [key for key in self.live if key[0] == thread_id and scope in {None, key[1]}]
        for key in gone:
            stream = self.live.pop(key).plan_stream
            if stream is not None:
                stream.stop()

    def emit(self, event: Event) -> None:
        """Tell who watches, and who listens to the event's thread."""
        self.telemetry.hear(event)
        for listener in self.listeners.get(event.thread_id, ()):
            listener(event)

    def is_heard(self, thread_id: ThreadId) -> bool:
        """Return whether anybody listens, so that costly events need not be made for nobody."""
        return self.telemetry.is_on or bool(self.listeners.get(thread_id))

    def derive_cards(self) -> tuple[WorkerCard, ...]:
        """Return what a planner is told of the workers."""
        return tuple(
            WorkerCard(
                name=worker.name,
                description=worker.description,
                input_schema=worker.derive_input_schema(),
                output_schema=worker.derive_output_schema(),
                max_parallel=worker.max_parallel,
            )
            for worker in self.spec.workers.values()
        )


def _list_tools(worker: Worker) -> list[EffectDeclaration]:
    """Return the guarded tools that a worker is known to have."""
    sources = (worker.agent, *worker.tools)
    return [declaration for source in sources for declaration in find_declarations(source)]


def _index_tools(
    by_worker: Mapping[WorkerName, Sequence[EffectDeclaration]],
) -> dict[str, EffectDeclaration]:
    found: dict[str, EffectDeclaration] = {}
    for worker, declarations in by_worker.items():
        for declaration in declarations:
            known = found.setdefault(declaration.tool, declaration)
            if known != declaration:
                raise ConfigurationError(
                    f"Worker {worker!r} has a guarded tool {declaration.tool!r} that is declared "
                    "otherwise elsewhere in the team. Keys and undo go by the tool's name: give one "
                    "of them another name."
                )
    return found
