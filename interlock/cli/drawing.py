"""Graphs as Mermaid: a team's compiled graph, or a task graph with all that is wrong with it."""

from collections.abc import Collection, Iterator, Sequence

from langchain_core.runnables.graph import Graph
from rich.text import Text

from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.console.clean_text import clean_lines, count_of
from interlock.console.json_lines import dump_value
from interlock.console.task_graph_drawing import draw_task_graph
from interlock.contracts.criteria import CheckCriterion, RubricCriterion
from interlock.contracts.errors import PlanProblem
from interlock.contracts.fallback import UseWorker
from interlock.contracts.ids import WorkerName
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_validation import find_plan_problems
from interlock.contracts.worker import Worker
from interlock.criteria import CriteriaEngine
from interlock.orchestrator import Orchestrator


def show_team(output: Output, *, desk: Orchestrator) -> int:
    """Draw a team's compiled graph, with the step graph and the workers inside.

    Nodes show their names and roles; descriptions of workers are too long for a box.
    """
    graph = desk.graph.get_graph(xray=True)
    for key, node in graph.nodes.items():
        shown = {name: text for name, text in (node.metadata or {}).items() if name == "role"}
        graph.nodes[key] = node._replace(metadata=shown or None)
    drawing = _tell_subgraphs_apart(graph).draw_mermaid()
    output.show(_draw_mermaid("\n".join(clean_lines(drawing))), data={"mermaid": drawing})
    return ExitCode.COMPLETED


def _tell_subgraphs_apart(graph: Graph) -> Graph:
    """Return the graph with a name of its own for every subgraph, at any depth.

    A nested team has a `dispatch` inside its parent's, and LangChain draws no two subgraphs of
    one name: the inner one is shown as `<team>_dispatch`.
    """
    names: dict[tuple[str, ...], str] = {}

    def rename(key: str) -> str:
        *path, last = key.split(":")
        for depth in range(1, len(path) + 1):
            place = tuple(path[:depth])
            if place not in names:
                names[place] = _find_free_name(place, taken=set(names.values()))
        return ":".join([*(names[tuple(path[: d + 1])] for d in range(len(path))), last])

    nodes = {rename(key): node._replace(id=rename(key)) for key, node in graph.nodes.items()}
    edges = [
        edge._replace(source=rename(edge.source), target=rename(edge.target))
        for edge in graph.edges
    ]
    return Graph(nodes=nodes, edges=edges)


def _find_free_name(path: Sequence[str], *, taken: Collection[str]) -> str:
    """Return the last words of a path, as few as tell it from the names taken."""
    names = ("_".join(path[-words:]) for words in range(1, len(path) + 1))
    return next((name for name in names if name not in taken), "__".join(path))


def show_plan(
    output: Output,
    *,
    plan: TaskGraph,
    desk: Orchestrator | None,
    context_keys: Collection[str] = (),
) -> int:
    """Draw a task graph, and list every problem that would keep it from running.

    Without a team, the workers and checks that the plan names are taken to exist.
    """
    problems = find_problems(plan, desk=desk, context_keys=context_keys)
    drawing = draw_task_graph(plan)
    data = {"mermaid": drawing, "problems": dump_value(problems)}
    output.show(_draw_mermaid(drawing.rstrip("\n")), data=data)
    if not problems:
        return ExitCode.COMPLETED
    lines = [f"The task graph has {count_of(len(problems), 'problem')}:"]
    lines += [line for problem in problems for line in clean_lines(f"  - {problem.message}")]
    output.complain("\n".join(lines))
    return ExitCode.USAGE


def _draw_mermaid(drawing: str) -> Text:
    """Return Mermaid text whose lines stay whole on a terminal, to be copied from there."""
    return Text(drawing, no_wrap=True, overflow="ignore")


def find_problems(
    plan: TaskGraph, *, desk: Orchestrator | None, context_keys: Collection[str]
) -> Sequence[PlanProblem]:
    """Return every problem of a plan, with a team or by itself."""
    if desk is not None:
        workers, checks = dict(desk.team_spec.workers), dict(desk.team_spec.checks)
        judges = dict(desk.team_spec.judges)
    else:
        workers = {name: Worker(name=name, agent=None) for name in _name_workers(plan)}
        checks = {
            criterion.name: lambda output, brief: True  # noqa: ARG005 - never called
            for step in plan.steps
            for criterion in step.criteria
            if isinstance(criterion, CheckCriterion)
        }
        judges = {name: lambda request: True for name in _name_judges(plan)}  # noqa: ARG005 - never called
    return find_plan_problems(
        plan, workers, inspector=CriteriaEngine(checks, judges), context_keys=context_keys
    )


def _name_judges(plan: TaskGraph) -> Iterator[str]:
    """Go through names for the judges that a plan asks, as many as it wants to agree."""
    for step in plan.steps:
        for criterion in step.criteria:
            if isinstance(criterion, RubricCriterion):
                unnamed = (f"judge {number}" for number in range(criterion.quorum or 1))
                yield from criterion.judges or unnamed


def _name_workers(plan: TaskGraph) -> list[WorkerName]:
    fallbacks = [f for step in plan.steps for f in step.fallback if isinstance(f, UseWorker)]
    return [*(step.worker for step in plan.steps), *(fallback.worker for fallback in fallbacks)]
