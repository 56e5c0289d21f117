"""From what a user declares to a team at work."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langgraph.pregel import Pregel
from pydantic import PydanticUserError

from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import WorkerName
from interlock.contracts.judging import Judge, JudgeLike, Judges
from interlock.contracts.limits import ModelLimits
from interlock.contracts.policy import RunPolicy
from interlock.contracts.shared_context import SharedContext
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Check, PlannerLike, Worker
from interlock.criteria.json_schemas import find_schema_problem
from interlock.criteria.judge_panel import name_judges
from interlock.graphs.run_graph import RunGraph, build_graph
from interlock.nodes.run.team import Team, TeamSpec
from interlock.orchestrator.context_declaration import require_context
from interlock.orchestrator.lazy_storage import LazyStorage
from interlock.telemetry.spans import SILENT, Telemetry

Checks = Mapping[str, Check] | Sequence[Callable[..., Any]]

DEFAULT_STORAGE = "sqlite:///interlock.db"


def build_run_graph(  # noqa: PLR0913 - one declaration, every part by name
    *,
    workers: Sequence[Worker],
    planner: PlannerLike,
    policy: RunPolicy | None = None,
    storage: str | Storage = DEFAULT_STORAGE,
    checks: Checks = (),
    judges: Judges = (),
    models: Mapping[str, ModelLimits] | None = None,
    context: SharedContext | None = None,
    clock: Clock | None = None,
    encryption: Encryption | None = None,
    telemetry: Telemetry | None = None,
) -> RunGraph:
    """Return a team's run graph, not compiled: for Studio, and for those who compile it.

    Compile it with a checkpointer, best `storage.checkpointer` of the same storage, and invoke
    it with `durability="sync"` and a `thread_id`. `Orchestrator` does all that, and adds leases,
    the run ledger, and answers by id.

    Args:
        workers: Who can be given steps.
        planner: A task graph, a planner, or a function of a `PlanRequest`.
        policy: What holds for a run.
        storage: A URL, opened on first use, or an opened storage.
        checks: Registered checks: by name, or functions whose own names count.
        judges: Who reads rubrics: judges, functions, or either by name.
        models: Breakers and rates, by model name or by patterns with `*`.
        context: The shared context as declared; left out, any key may be published.
        clock: Time; the machine's if left out.
        encryption: The keys of a storage that is named by its URL and sealed; None if plain.
        telemetry: Who watches its runs, such as `OpenTelemetry()`; nobody if left out.

    Raises:
        ConfigurationError: The declaration cannot work; the message says why.
    """
    spec = build_spec(
        workers=workers,
        planner=planner,
        policy=policy,
        checks=checks,
        judges=judges,
        models=models,
        context=context,
    )
    source = LazyStorage(storage, clock=clock, encryption=encryption)
    team = Team.build(
        spec,
        open_storage=source.open,
        clock=clock or SystemClock(),
        telemetry=telemetry or SILENT,
    )
    return build_graph(team)


def build_spec(
    *,
    workers: Sequence[Worker],
    planner: PlannerLike,
    policy: RunPolicy | None,
    checks: Checks,
    judges: Judges = (),
    models: Mapping[str, ModelLimits] | None = None,
    context: SharedContext | None = None,
) -> TeamSpec:
    """Return a team's declaration.

    Raises:
        ConfigurationError: There is no worker, two workers or judges have one name, an output type has no schema, or
            a graph would share its state between steps.
    """
    by_name: dict[WorkerName, Worker] = {}
    for worker in workers:
        if worker.name in by_name:
            raise ConfigurationError(
                f"Two workers are called {worker.name!r}. Give each its own name."
            )
        _require_schemas(worker)
        _require_own_state(worker)
        by_name[worker.name] = worker
    if not by_name:
        raise ConfigurationError("The team has no workers. Give it at least one il.Worker(...).")
    return TeamSpec(
        workers=by_name,
        planner=planner,
        policy=policy or RunPolicy(),
        checks=_name_checks(checks),
        judges=_name_judges(judges),
        models=dict(models or {}),
        context=require_context(context),
    )


def _require_schemas(worker: Worker) -> None:
    for name, derive in (
        ("input", worker.derive_input_schema),
        ("output", worker.derive_output_schema),
    ):
        try:
            schema = derive()
        except PydanticUserError as exc:
            raise ConfigurationError(
                f"The {name} type of worker {worker.name!r} has no JSON Schema: {exc.message}. "
                "Use fields that JSON can hold."
            ) from exc
        if schema is not None and (problem := find_schema_problem(schema)) is not None:
            raise ConfigurationError(f"The {name} schema of worker {worker.name!r} {problem}")


def _require_own_state(worker: Worker) -> None:
    if isinstance(worker.agent, Pregel) and worker.agent.checkpointer is True:
        raise ConfigurationError(
            f"Worker {worker.name!r} is a graph compiled with checkpointer=True, which would carry "
            "its state from one step into the next. Compile it without a checkpointer: it gets "
            "the run's."
        )


def _name_judges(judges: Judges) -> dict[str, JudgeLike]:
    named = list(judges.items()) if isinstance(judges, Mapping) else name_judges(judges)
    by_name: dict[str, JudgeLike] = {}
    for name, judge in named:
        if not isinstance(judge, Judge) and not callable(judge):
            raise ConfigurationError(
                f"The judge {judge!r} cannot judge. Pass an il.ModelJudge, an object with `name` "
                "and `async judge(request)`, or a function of the request."
            )
        if not name or name in by_name:
            raise ConfigurationError(
                f"Two judges are called {name!r}, or one has no name. Give each its own name."
            )
        by_name[name] = judge
    return by_name


def _name_checks(checks: Checks) -> dict[str, Check]:
    if isinstance(checks, Mapping):
        return dict(checks)
    return {check.__name__: check for check in checks}
