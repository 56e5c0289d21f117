"""The versions of a run's plan, for people and for programs."""

from collections.abc import Sequence

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.plan_text import write_plan
from interlock.cli.reading import read
from interlock.console.json_lines import dump_value
from interlock.console.plan_page import draw_plan_version
from interlock.contracts.errors import ConfigurationError, UnknownThreadError
from interlock.contracts.ids import ThreadId
from interlock.contracts.plan_version import PlanVersion
from interlock.contracts.storage import Storage
from interlock.orchestrator.thread_reading import load_plan_versions


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
            {
                "version": one.plan.version,
                "at": dump_value(one.at),
                "by": one.by,
                "planned_by": dict(one.planned_by),
                "why": one.why,
            }
            for one in versions
        ],
    }
    text = write_plan(shown[-1].plan)
    output.show(draw_plan_version(shown[-1], versions, text=text), data=data)
    return ExitCode.COMPLETED
