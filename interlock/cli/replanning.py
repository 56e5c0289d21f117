"""A person's request for another plan, from the command line."""

import asyncio

from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.cli.team_loading import load_team
from interlock.contracts.clock import SystemClock
from interlock.orchestrator.replan_request import request_replan


def ask_for_replan(output: Output, *, commands: CommandLines, why: str) -> int:
    """Write the request down; a team that is named is first asked whether it has a planner."""
    if commands.team is not None:
        asyncio.run(_ask_with_team(commands, commands.team, why=why))
    else:
        now = SystemClock().now()
        read(
            commands,
            lambda storage: request_replan(storage, commands.thread_id, why=why, at=now),
        )
    words = (
        "Written down. The planner is asked once all steps have settled: by the process that runs "
        "the thread, or when it is answered or resumed."
    )
    output.show(Text(words), data={"thread_id": commands.thread_id, "why": why})
    return ExitCode.COMPLETED


async def _ask_with_team(commands: CommandLines, team: str, *, why: str) -> None:
    async with load_team(team, storage=commands.storage) as desk:
        await desk.areplan(commands.thread_id, why=why)
