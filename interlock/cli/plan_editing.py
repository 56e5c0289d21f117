"""A person's own plan: from an editor or a file to a run that goes on with it."""

import asyncio
import os
import shlex
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interlock.cli.command_lines import CommandLines
from interlock.cli.driving import drive
from interlock.cli.output import Output
from interlock.cli.plan_text import write_plan
from interlock.cli.team_loading import load_team
from interlock.console.clean_text import clean_text
from interlock.contracts.errors import ConfigurationError, FinishedRunError, PlanError
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.plan import TaskGraph
from interlock.contracts.question import Answer, Question, edit
from interlock.orchestrator import Orchestrator, load_task_graph
from interlock.telemetry.events import Event

_PROBLEMS = "problems"
"""What a question about a plan shows beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is to be edited.

    Attributes:
        question: The open question about the plan; None if the run stands still otherwise.
        plan: As far as there is one.
        problems: What is wrong with it.
    """

    question: Question | None
    plan: TaskGraph | None
    problems: Sequence[str] = field(default_factory=tuple)


def edit_plan(
    output: Output,
    *,
    commands: CommandLines,
    source: str | None,
    step: str | None = None,
    why: str | None = None,
) -> int:
    """Put a person's plan in the place of the one that a run is asked about, or has; and go on.

    Args:
        output: Where it is shown.
        commands: With a team.
        source: The file that holds the plan; None opens an editor.
        step: The path of the step whose team's plan is asked about; left out, the oldest question,
            or the run's own plan.
        why: For the journal, if nobody asks about the plan.

    Raises:
        ConfigurationError: No team is named, there is no plan to edit, or no editor.
        PlanError: The plan may not run; nothing was changed, and the file is kept.
    """
    if commands.team is None:
        raise ConfigurationError("An edited plan goes on with its run: name the team with --team.")
    desk = load_team(commands.team, storage=commands.storage)
    shown = asyncio.run(_load_shown(desk, commands.thread_id, step))
    path = Path(source) if source is not None else _open_editor(shown, commands.thread_id)
    try:
        plan = load_task_graph(path)
        answers = asyncio.run(_take(desk, commands.thread_id, shown, plan, why=why))
    except PlanError:
        output.complain(f"Nothing was changed, and your plan is kept: {path}")
        raise
    code = drive(
        desk,
        lambda opened: _go_on(opened, commands.thread_id, answers),
        output=output,
        commands=commands,
    )
    if source is None:
        if asyncio.run(_is_taken(desk, commands.thread_id, plan, step)):
            path.unlink(missing_ok=True)
        else:
            output.complain(f"Your plan did not become one of this run's; it is kept: {path}")
    return code


async def _load_shown(desk: Orchestrator, thread_id: str, step: str | None) -> Shown:
    async with desk:
        status = (await desk.astatus(thread_id)).status
        for question in await desk.aquestions(thread_id):
            if question.kind == "plan" and step in {None, question.step_id}:
                return _read_question(question, await desk.ashown(question))
        if status in TERMINAL_RUN_STATUSES:
            raise FinishedRunError(thread_id=thread_id, status=status)
        versions = await desk.aplan(thread_id)
    if step is not None or not versions:
        whose = "a plan of its" if step is None else f"the plan of the team of step {step!r}, which"
        raise ConfigurationError(
            f"Nothing is asked about {whose} thread {thread_id!r} has. `interlock status` says "
            "where it stands."
        )
    return Shown(question=None, plan=versions[-1].plan)


def _read_question(question: Question, shown: Any) -> Shown:  # noqa: ANN401 - a question's args
    known = shown if isinstance(shown, dict) else {}
    plan = {key: item for key, item in known.items() if key != _PROBLEMS}
    return Shown(
        question=question,
        plan=TaskGraph.model_validate(plan) if plan else None,
        problems=tuple(known.get(_PROBLEMS, ())),
    )


async def _take(
    desk: Orchestrator, thread_id: str, shown: Shown, plan: TaskGraph, *, why: str | None
) -> Mapping[str, Answer] | None:
    """Check a plan that answers a question, and return the answers; or put it in place."""
    async with desk:
        if shown.question is None:
            await desk.aedit_plan(thread_id, plan, why=why)
            return None
        await desk.acheck_plan(thread_id, plan, step=shown.question.step_id)
        return {str(shown.question.id): edit(plan.model_dump(mode="json"))}


def _go_on(
    desk: Orchestrator, thread_id: str, answers: Mapping[str, Answer] | None
) -> AsyncIterator[Event]:
    if answers is None:
        return desk.astream(thread_id=thread_id)
    return desk.astream(thread_id=thread_id, answers=answers)


async def _is_taken(desk: Orchestrator, thread_id: str, plan: TaskGraph, step: str | None) -> bool:
    """Return whether a person's plan is among the versions of a run's."""
    async with desk:
        versions = await desk.aplan(thread_id, step=step)
    return any(one.by == "person" and one.plan.steps == plan.steps for one in versions)


def _open_editor(shown: Shown, thread_id: str) -> Path:
    """Return the file that an editor has saved, begun with the plan as it is shown."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise ConfigurationError(
            "There is no editor: $VISUAL and $EDITOR are empty. Set one, or give the plan as a file "
            f"with --from; `interlock plan {shlex.quote(thread_id)}` prints it."
        )
    path = _write_file(shown, thread_id)
    done = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603 - the user's
    if done.returncode != 0:
        raise ConfigurationError(
            f"The editor {editor!r} ended with code {done.returncode}; nothing was changed. Your "
            f"plan is kept: {path}"
        )
    return path


def _write_file(shown: Shown, thread_id: str) -> Path:
    purpose = (
        "answer with it" if shown.question is not None else "go on with it; what is done stands"
    )
    head = [f"The plan of thread {thread_id!r}. Save and leave to {purpose}."]
    head += [f"Wrong with it: {line}" for line in shown.problems]
    body = "goal: \nsteps: []\n"
    if shown.plan is not None:
        body = write_plan(shown.plan, is_versioned=False)
    with tempfile.NamedTemporaryFile(
        "w", suffix=".yaml", prefix="interlock-plan-", delete=False, encoding="utf-8"
    ) as file:
        file.writelines(f"# {clean_text(line)}\n" for line in head)
        file.write(body)
    return Path(file.name)
