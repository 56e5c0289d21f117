"""A run's plan for people and for programs, and the way from an editor to an answer."""

import asyncio
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interlock.cli.command_lines import CommandLines
from interlock.cli.driving import drive
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.plan_text import write_plan
from interlock.cli.reading import read
from interlock.cli.team_loading import load_team
from interlock.console.clean_text import clean_text
from interlock.console.json_lines import dump_value
from interlock.console.plan_page import draw_plan_version
from interlock.contracts.errors import ConfigurationError, PlanError, UnknownThreadError
from interlock.contracts.ids import ThreadId
from interlock.contracts.plain import Plain
from interlock.contracts.plan import TaskGraph
from interlock.contracts.plan_version import PlanVersion
from interlock.contracts.question import Question, edit
from interlock.contracts.storage import Storage
from interlock.orchestrator import Orchestrator, load_task_graph
from interlock.orchestrator.thread_reading import load_plan_versions

_PROBLEMS = "problems"
"""What a question about a plan shows beside it."""


def show_plan(
    output: Output, *, commands: CommandLines, version: int | None, step: str | None
) -> int:
    """Show one version of a plan, and what all of them were for."""

    async def load(storage: Storage) -> Sequence[PlanVersion]:
        thread_id = ThreadId(commands.thread_id)
        if await storage.load_run(thread_id) is None:
            raise UnknownThreadError(thread_id=thread_id)
        return await load_plan_versions(storage, thread_id, step=step)

    versions = read(commands, load)
    if not versions:
        raise ConfigurationError(
            f"Thread {commands.thread_id!r} has no plan"
            f"{f' of the team of step {step!r}' if step else ''} yet. `interlock status` says where "
            "it stands."
        )
    known = [one.plan.version for one in versions]
    shown = [one for one in versions if version in {None, one.plan.version}]
    if not shown:
        raise ConfigurationError(f"There is no version {version} of the plan. Versions: {known}.")
    data = {
        "thread_id": commands.thread_id,
        "step": step,
        "version": shown[-1].plan.version,
        "plan": shown[-1].plan.model_dump(mode="json"),
        "versions": [
            {"version": one.plan.version, "at": dump_value(one.at), "by": one.by, "why": one.why}
            for one in versions
        ],
    }
    text = write_plan(shown[-1].plan)
    output.show(draw_plan_version(shown[-1], versions, text=text), data=data)
    return ExitCode.COMPLETED


def answer_with_plan(
    output: Output, *, commands: CommandLines, source: str | None, step: str | None = None
) -> int:
    """Answer the open question about a plan with a person's own, and follow the run on.

    Args:
        output: Where it is shown.
        commands: With a team.
        source: The file that holds the plan; None opens an editor.
        step: The path of the step whose team's plan is asked about; left out, the oldest question.

    Raises:
        ConfigurationError: No team is named, no plan is asked about, or there is no editor.
        PlanError: The plan cannot run; nothing was answered.
    """
    if commands.team is None:
        raise ConfigurationError("An edited plan goes on with its run: name the team with --team.")
    desk = load_team(commands.team, storage=commands.storage)
    asked, shown = asyncio.run(_load_asked(desk, commands.thread_id, step))
    path = Path(source) if source is not None else _edit(shown, thread_id=commands.thread_id)
    try:
        plan = load_task_graph(path)
        asyncio.run(_check(desk, asked, plan))
    except PlanError:
        output.complain(f"Nothing was answered, and your plan is kept: {path}")
        raise
    answers = {str(asked.id): edit(plan.model_dump(mode="json"))}
    code = drive(
        desk,
        lambda opened: opened.astream(thread_id=commands.thread_id, answers=answers),
        output=output,
        commands=commands,
    )
    if source is None and code != ExitCode.USAGE:
        path.unlink(missing_ok=True)
    return code


async def _check(desk: Orchestrator, asked: Question, plan: TaskGraph) -> None:
    async with desk:
        await desk.acheck_plan(asked.thread_id, plan, step=asked.step_id)


async def _load_asked(
    desk: Orchestrator, thread_id: str, step: str | None
) -> tuple[Question, Plain]:
    async with desk:
        await desk.astatus(thread_id)
        questions = await desk.aquestions(thread_id)
        for question in questions:
            if question.kind == "plan" and step in {None, question.step_id}:
                return question, await desk.ashown(question)
    raise ConfigurationError(
        f"Nothing is asked about a plan of thread {thread_id!r}. A plan can be edited while a person "
        "is asked about it: RunPolicy(approve_plan=True), or a planner's fallback il.ask_person()."
    )


def _edit(shown: Any, *, thread_id: str) -> Path:  # noqa: ANN401 - a question's args
    """Return the file that an editor has saved, begun with the plan as it is shown."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise ConfigurationError(
            "There is no editor: $VISUAL and $EDITOR are empty. Set one, or give the plan as a file "
            f"with --from; `interlock plan {shlex.quote(thread_id)}` prints it."
        )
    shown = shown if isinstance(shown, dict) else {}
    plan = {key: item for key, item in shown.items() if key != _PROBLEMS}
    head = [f"The plan of thread {thread_id!r}. Save and leave to answer with it."]
    head += [f"Wrong with it: {line}" for line in shown.get(_PROBLEMS, ())]
    body = (
        write_plan(TaskGraph.model_validate(plan), is_versioned=False)
        if plan
        else "goal: \nsteps: []\n"
    )
    with tempfile.NamedTemporaryFile(
        "w", suffix=".yaml", prefix="interlock-plan-", delete=False, encoding="utf-8"
    ) as file:
        file.writelines(f"# {clean_text(line)}\n" for line in head)
        file.write(body)
    done = subprocess.run([*shlex.split(editor), file.name], check=False)  # noqa: S603 - the user's
    if done.returncode != 0:
        raise ConfigurationError(
            f"The editor {editor!r} ended with code {done.returncode}; nothing was answered. Your "
            f"plan is kept: {file.name}"
        )
    return Path(file.name)
