"""Whole-graph validation: everything that is wrong with a task graph, at once.

Structure is checked here; what only the criteria room can know (does an expression
compile, is a check registered) is asked through `CriterionInspector`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

from interlock.contracts.criteria import Criterion
from interlock.contracts.errors import PlainValueError, PlanError, PlanProblem
from interlock.contracts.fallback import UseValue, UseWorker
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plain import parse_plain
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.plan_context import ContextProblems
from interlock.contracts.schema_paths import find_missing_part
from interlock.contracts.shared_context import OPEN_CONTEXT, SharedContext
from interlock.contracts.worker import Worker


class CriterionInspector(Protocol):
    """What validation asks of the criteria room."""

    def find_criterion_problem(self, criterion: Criterion) -> str | None:
        """Return why a criterion can never be decided, or None."""
        ...

    def find_expression_problem(self, expression: str, *, names: Collection[str]) -> str | None:
        """Return why a CEL expression over these names cannot be evaluated, or None."""
        ...

    def find_schema_problem(self, json_schema: Mapping[str, Any]) -> str | None:
        """Return why a JSON Schema is not one, or None."""
        ...

    def find_value_problem(self, value: object, json_schema: Mapping[str, Any]) -> str | None:
        """Return why a value does not satisfy a JSON Schema, or None."""
        ...


def validate_task_graph(
    graph: TaskGraph,
    workers: Mapping[WorkerName, Worker],
    *,
    inspector: CriterionInspector,
    context_keys: Collection[str] = (),
    shared: SharedContext = OPEN_CONTEXT,
) -> None:
    """Return if the graph may run.

    Args:
        graph: The plan.
        workers: By name, all that steps and fallbacks may use.
        inspector: Knows CEL, JSON Schema and the registered checks.
        context_keys: Keys of the shared context that exist before the first step.
        shared: The team's declared context.

    Raises:
        PlanError: It may not; lists every problem, in plan order.
    """
    problems = find_plan_problems(
        graph, workers, inspector=inspector, context_keys=context_keys, shared=shared
    )
    if problems:
        raise PlanError(problems)


def find_plan_problems(
    graph: TaskGraph,
    workers: Mapping[WorkerName, Worker],
    *,
    inspector: CriterionInspector,
    context_keys: Collection[str] = (),
    shared: SharedContext = OPEN_CONTEXT,
) -> Sequence[PlanProblem]:
    """Return every problem of a graph, in plan order; none for a good one."""
    context = ContextProblems(graph.steps, shared, frozenset(context_keys))
    return tuple(_Validation(graph, workers, inspector, context).find())


def draw_ring(names: Sequence[str]) -> str:
    """Return a cycle drawn as a ring: each name needs the next, the last needs the first."""
    line = " -> ".join(names)
    width = len(line)
    if len(names) == 1:
        return f"    {line}\n    ^{' ' * max(width - 2, 0)}|\n    +{'-' * max(width - 2, 0)}+"
    return f"    {line}\n    ^{' ' * (width - 2)}|\n    +{'-' * (width - 2)}+"


class _Validation:
    """One pass over one graph."""

    def __init__(
        self,
        graph: TaskGraph,
        workers: Mapping[WorkerName, Worker],
        inspector: CriterionInspector,
        context: ContextProblems,
    ) -> None:
        self.graph = graph
        self.workers = workers
        self.inspector = inspector
        self.context = context
        self.steps = context.steps

    def find(self) -> Iterator[PlanProblem]:
        if not self.graph.steps:
            yield PlanProblem("no_steps", "The task graph has no steps. Add at least one.")
        if (problem := _find_value_problem(self.graph.goal, name="goal")) is not None:
            yield PlanProblem("bad_value", f"The task graph's {problem}")
        yield from self._find_duplicates()
        rings = list(self._find_rings())
        self.context.has_rings = bool(rings)
        for step in self.graph.steps:
            yield from self._find_worker_problems(step)
            yield from self._find_need_problems(step)
            yield from self._find_input_problems(step)
            yield from self._find_unwanted_inputs(step)
            yield from self._find_criterion_problems(step)
            yield from self._find_fallback_problems(step)
            yield from self._find_publish_problems(step)
            yield from self.context.find_read(step)
            yield from self._find_value_problems(step)
        yield from rings

    def _find_duplicates(self) -> Iterator[PlanProblem]:
        seen: set[StepId] = set()
        for step in self.graph.steps:
            if step.id in seen:
                yield PlanProblem(
                    "duplicate_step",
                    f"Step id {step.id!r} is used more than once. Give each step its own id.",
                    step.id,
                )
            seen.add(step.id)

    def _find_rings(self) -> Iterator[PlanProblem]:
        edges = {
            step.id: {need.step for need in step.needs if need.step in self.steps}
            for step in self.graph.steps
        }
        while True:
            try:
                TopologicalSorter(edges).prepare()
            except CycleError as exc:
                ring: list[StepId] = list(reversed(exc.args[1]))[:-1]
                start = ring.index(min(ring))
                ring = ring[start:] + ring[:start]
                following = ring[1] if len(ring) > 1 else ring[0]
                edges[ring[0]].discard(following)
                yield PlanProblem(
                    "cycle",
                    "These steps need each other in a ring, so none could start:\n"
                    f"{draw_ring(ring)}\n    Remove one of these needs.",
                    ring[0],
                )
            else:
                return

    def _find_worker_problems(self, step: Step) -> Iterator[PlanProblem]:
        if step.worker not in self.workers:
            yield PlanProblem(
                "unknown_worker",
                f"Step {step.id!r} is given to worker {step.worker!r}, which the team does not "
                f"have. {suggest_names(step.worker, self.workers)}",
                step.id,
            )

    def _find_need_problems(self, step: Step) -> Iterator[PlanProblem]:
        seen: set[StepId] = set()
        for need in step.needs:
            if need.step not in self.steps:
                yield PlanProblem(
                    "unknown_dependency",
                    f"Step {step.id!r} depends on {need.step!r}, which the task graph does not "
                    f"have. {suggest_names(need.step, self.steps)} Add the step or correct the id.",
                    step.id,
                )
            if need.step in seen:
                yield PlanProblem(
                    "duplicate_need",
                    f"Step {step.id!r} names {need.step!r} twice in its needs. Name it once.",
                    step.id,
                )
            seen.add(need.step)

    def _find_input_problems(self, step: Step) -> Iterator[PlanProblem]:
        needed = {need.step for need in step.needs}
        for name, path in (step.inputs or {}).items():
            source, *parts = path.split(".")
            if source not in needed:
                yield PlanProblem(
                    "unknown_input",
                    f"Input {name!r} of step {step.id!r} is read from {path!r}, but {source!r} is "
                    f"not among the step's needs. {suggest_names(source, needed)}",
                    step.id,
                )
            elif (missing := self._find_missing_part(StepId(source), parts)) is not None:
                yield PlanProblem(
                    "unknown_input_path",
                    f"Input {name!r} of step {step.id!r} is read from {path!r}, which step "
                    f"{source!r} cannot produce: {missing}",
                    step.id,
                )
        for name in step.arguments:
            if name in (step.inputs or {}):
                yield PlanProblem(
                    "duplicate_input",
                    f"Step {step.id!r} has {name!r} both in its inputs and its arguments. "
                    "Rename one.",
                    step.id,
                )

    def _find_unwanted_inputs(self, step: Step) -> Iterator[PlanProblem]:
        """Hold the names that a step gives against those that its worker wants."""
        worker = self.workers.get(step.worker)
        schema = worker.derive_input_schema() if worker is not None else None
        if schema is None or self.inspector.find_schema_problem(schema) is not None:
            return
        sources = step.inputs if step.inputs is not None else [need.step for need in step.needs]
        given = {*sources, *step.arguments}
        known = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in given:
                yield PlanProblem(
                    "missing_input",
                    f"Step {step.id!r} does not give worker {step.worker!r} the input {name!r}, which "
                    f"it requires. Given: {', '.join(sorted(given)) or 'nothing'}. Add it to the "
                    "step's inputs or arguments.",
                    step.id,
                )
        if schema.get("additionalProperties") is False:
            for name in sorted(given - known.keys()):
                yield PlanProblem(
                    "unwanted_input",
                    f"Step {step.id!r} gives worker {step.worker!r} the input {name!r}, which it does "
                    f"not take. {suggest_names(name, known)}",
                    step.id,
                )

    def _find_missing_part(self, source: StepId, parts: Sequence[str]) -> str | None:
        step = self.steps.get(source)
        worker = self.workers.get(step.worker) if step else None
        if step is None or (schema := self._get_output_schema(step, worker)) is None:
            return None
        if self.inspector.find_schema_problem(schema) is not None:
            return None  # told on its own
        is_closed = (
            step.output_schema is None and worker is not None and isinstance(worker.output, type)
        )
        return find_missing_part(schema, parts, is_closed=is_closed)

    @staticmethod
    def _get_output_schema(step: Step, worker: Worker | None) -> Mapping[str, Any] | None:
        if step.output_schema is not None:
            return step.output_schema
        return worker.derive_output_schema() if worker else None

    def _find_criterion_problems(self, step: Step) -> Iterator[PlanProblem]:
        for criterion in step.criteria:
            if problem := self.inspector.find_criterion_problem(criterion):
                yield PlanProblem(
                    "bad_criterion", f"A criterion of step {step.id!r} {problem}", step.id
                )
        if step.output_schema is not None and (
            problem := self.inspector.find_schema_problem(step.output_schema)
        ):
            yield PlanProblem(
                "bad_schema", f"The output schema of step {step.id!r} {problem}", step.id
            )
        if step.approval is not None and (
            problem := self.inspector.find_expression_problem(
                step.approval, names=("inputs", "context")
            )
        ):
            yield PlanProblem(
                "bad_approval", f"The approval condition of step {step.id!r} {problem}", step.id
            )

    def _find_fallback_problems(self, step: Step) -> Iterator[PlanProblem]:
        chain = [step.worker]
        for fallback in step.fallback:
            if isinstance(fallback, UseWorker):
                yield from self._find_chain_problems(step, chain, fallback.worker)
                chain.append(fallback.worker)
            elif isinstance(fallback, UseValue) and step.output_schema is not None:
                problem = self.inspector.find_value_problem(fallback.value, step.output_schema)
                if problem:
                    yield PlanProblem(
                        "bad_fallback_value",
                        f"The fallback value of step {step.id!r} does not satisfy the step's "
                        f"output schema: {problem}",
                        step.id,
                    )

    def _find_chain_problems(
        self, step: Step, chain: list[WorkerName], worker: WorkerName
    ) -> Iterator[PlanProblem]:
        if worker in chain:
            ring = chain[chain.index(worker) :]
            yield PlanProblem(
                "endless_fallback",
                f"The fallback chain of step {step.id!r} comes back to worker {worker!r} and "
                f"cannot end:\n{draw_ring(ring)}\n    Name another worker, or end the chain with "
                "use_value, skip, ask_person or abandon.",
                step.id,
            )
        elif worker not in self.workers:
            yield PlanProblem(
                "unknown_worker",
                f"A fallback of step {step.id!r} uses worker {worker!r}, which the team does not "
                f"have. {suggest_names(worker, self.workers)}",
                step.id,
            )

    def _find_publish_problems(self, step: Step) -> Iterator[PlanProblem]:
        for key, path in step.publishes.items():
            yield from self.context.find_published(step, key)
            source, *parts = path.split(".")
            if source != "output":
                missing: str | None = "it begins with 'output', e.g. 'output.text'."
            else:
                missing = self._find_missing_part(step.id, parts)
            if missing is not None:
                yield PlanProblem(
                    "unknown_publish_path",
                    f"Step {step.id!r} publishes {key!r} from {path!r}, which is not a path into "
                    f"its output: {missing}",
                    step.id,
                )

    def _find_value_problems(self, step: Step) -> Iterator[PlanProblem]:
        """Refuse what a plan could not be stored with, or would come back from storage changed."""
        for name, value in step.model_dump(exclude_defaults=True).items():
            if (problem := _find_value_problem(value, name=name)) is not None:
                yield PlanProblem("bad_value", f"In step {step.id!r}, {problem}", step.id)


def _find_value_problem(value: object, *, name: str) -> str | None:
    try:
        parse_plain(value, name=name)
    except PlainValueError as exc:
        return str(exc)
    return None
