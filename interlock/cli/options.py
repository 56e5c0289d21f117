"""Options that several commands share, and texts that teach."""

from typing import Annotated, Final

import typer

TeamArgument = Annotated[
    str,
    typer.Argument(
        metavar="TEAM",
        help="The team as module:attribute: an il.Orchestrator, or a function that returns one. "
        "The current folder is searched first.",
    ),
]
ThreadArgument = Annotated[
    str, typer.Argument(metavar="THREAD", help="The thread id that the run was started with.")
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        envvar="INTERLOCK_STORAGE",
        help="The database of the runs, such as sqlite:///desk.db. Left out: the team's own, or "
        "sqlite:///interlock.db where no team is named.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", metavar="", help="Write JSON, for programs.", show_default=False)
]
TeamOption = Annotated[
    str | None,
    typer.Option(
        "--team",
        metavar="TEAM",
        help="As module:attribute. Its storage is read, and the command lines shown name it.",
        show_default=False,
    ),
]
PlanOption = Annotated[
    str | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        help="A task graph, JSON or YAML, in the place of the team's planner.",
        show_default=False,
    ),
]
ContextOption = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="JSON|@FILE",
        help="The shared context that the run starts with: an object.",
        show_default=False,
    ),
]
OtelOption = Annotated[
    bool,
    typer.Option(
        "--otel",
        metavar="",
        help="Tell OpenTelemetry of the run: spans and metrics, to what OTEL_* names.",
        show_default=False,
        envvar="INTERLOCK_OTEL",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="What happened from then on: so long ago, as 1d or 12h, or a date in UTC.",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="What happened before then.", show_default=False),
]
TeamNameOption = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="Of runs of the team with this name, il.Orchestrator(name=...).",
        show_default=False,
    ),
]
AttemptOption = Annotated[
    int | None,
    typer.Option("--attempt", metavar="N", help="Left out: the last.", show_default=False, min=1),
]
SpaceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--space",
        metavar="NAME=ID",
        help="Which named space of shared context the run works in, such as customer=c-42. "
        "Once for each that the team's facts declare.",
        show_default=False,
    ),
]

EXIT_CODES: Final = (
    "Exit codes: 0 completed, 2 usage, 3 degraded, 4 waiting for a person, 5 failed or cancelled; "
    "130 or 143 after Ctrl-C or SIGTERM, and the run can be resumed."
)


def show_examples(*lines: str, note: str = "") -> str:
    """Return an epilog: examples, one a line, and a note."""
    head = "Example:" if len(lines) == 1 else "Examples:"
    parts = [head, *(line.replace("[", "\\[") for line in lines), *(["", note] if note else [])]
    return "\n".join(parts)
