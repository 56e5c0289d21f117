"""Commands that only need a storage: where threads stand, what is asked, what was handed over."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, TypeVar

from rich.console import Group
from rich.text import Text

from interlock.checkpoints import open_storage
from interlock.checkpoints.storage_url import parse_storage_url
from interlock.cli.command_lines import PLACEHOLDER, CommandLines
from interlock.cli.encryption_keys import read_encryption
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.team_loading import load_team
from interlock.console.clean_text import count_of
from interlock.console.handoff_page import HandoffLines, draw_full_handoffs
from interlock.console.json_lines import dump_value
from interlock.console.question_page import draw_question
from interlock.console.status_page import NextCommands, draw_status, draw_statuses
from interlock.contracts.clock import SystemClock
from interlock.contracts.encryption import Encryption
from interlock.contracts.errors import ConfigurationError, UnknownThreadError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import HandoffId, ThreadId
from interlock.contracts.near_names import suggest_names
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.question import Question
from interlock.contracts.storage import Storage
from interlock.orchestrator import Orchestrator, ThreadStatus, load_status
from interlock.orchestrator.declare import DEFAULT_STORAGE
from interlock.orchestrator.nested_paths import find_attempts_above, load_handoffs_at

Value = TypeVar("Value")

_CANCEL_WAIT_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.2
TEAM_NOTE: Final = (
    f"{PLACEHOLDER} stands for your team, as module:attribute; with --team the lines name it."
)


def read(commands: CommandLines, body: Callable[[Storage], Awaitable[Value]]) -> Value:
    """Open the storage that was named, and read.

    Raises:
        ConfigurationError: There is no such database, as reading makes none; or no such team.
        StorageError: It cannot be opened.
    """
    url, encryption = find_database(commands)

    async def open_and_read() -> Value:
        async with open_storage(url, encryption=encryption) as storage:
            return await body(storage)

    return asyncio.run(open_and_read())


def find_database(commands: CommandLines) -> tuple[str, Encryption | None]:
    """Return the URL of a database that is there, and its keys.

    Raises:
        ConfigurationError: There is no such database, as reading makes none; or no such team.
    """
    url, encryption = _find_storage(commands)
    parsed = parse_storage_url(url)
    path = parsed.path
    if parsed.kind == "memory":
        raise ConfigurationError(
            f"{url!r} lives in the memory of the process that runs it, so there is nothing to read "
            "from here. Start runs that are to be looked at with --storage sqlite:///desk.db."
        )
    if path is not None and not path.exists():
        raise ConfigurationError(
            f"There is no database {str(path)!r}, so no run was ever started there. Go to the "
            "folder in which the run was started, or name the team (--team module:attribute) or "
            "its storage (--storage URL, or INTERLOCK_STORAGE)."
        )
    return url, encryption


def _find_storage(commands: CommandLines) -> tuple[str, Encryption | None]:
    """Return the storage that was given, else the team's, else the default; and its keys."""
    if commands.team is None:
        return commands.storage or DEFAULT_STORAGE, read_encryption()
    team = load_team(commands.team)
    return commands.storage or team.storage_url, team.encryption or read_encryption()


def show_status(output: Output, *, commands: CommandLines) -> int:
    """Show where one thread stands."""
    status = read(commands, lambda storage: load_status(storage, commands.thread_id))
    _show_status(output, status, commands)
    return ExitCode.COMPLETED


def show_statuses(output: Output, *, commands: CommandLines, limit: int) -> int:
    """Show where all threads stand, those started last first."""

    async def load(storage: Storage) -> tuple[list[ThreadStatus], int]:
        runs = await storage.list_runs()
        shown = [await load_status(storage, run.thread_id) for run in runs[:limit]]
        return shown, len(runs)

    statuses, total = read(commands, load)
    left = total - len(statuses)
    note = f"and {left} older (--limit {total} shows all)" if left else ""
    page = Group(draw_statuses(statuses, now=SystemClock().now()), Text(note, style="dim"))
    nothing = Text("No run was ever started in this storage.")
    data = {"runs": [dump_value(status) for status in statuses], "total": total}
    output.show(
        page if statuses and left else page.renderables[0] if statuses else nothing, data=data
    )
    return ExitCode.COMPLETED


def _show_status(output: Output, status: ThreadStatus, commands: CommandLines) -> None:
    next_commands = NextCommands(
        resume=commands.resume(),
        inbox=commands.inbox(),
        note=TEAM_NOTE if commands.team is None else "",
    )
    page = draw_status(status, now=SystemClock().now(), commands=next_commands)
    output.show(page, data={**dump_value(status), "done": status.done})


def show_inbox(output: Output, *, commands: CommandLines) -> int:
    """Show all open questions, oldest first: of one thread, or of all."""

    async def load(storage: Storage) -> list[Question]:
        thread_id = ThreadId(commands.thread_id) if commands.thread_id else None
        if thread_id is not None and await storage.load_run(thread_id) is None:
            raise UnknownThreadError(thread_id=thread_id)
        return list(await storage.list_questions(thread_id))

    questions = read(commands, load)
    now = SystemClock().now()
    pages = [
        part
        for question in questions
        for part in (
            draw_question(question, commands=commands.answer(question), now=now),
            Text(""),
        )
    ]
    pages.append(Text(count_of(len(questions), "open question")))
    if questions and commands.team is None:
        pages.append(Text(TEAM_NOTE, style="dim"))
    output.show(Group(*pages), data={"questions": dump_value(questions)})
    return ExitCode.COMPLETED


def show_handoffs(
    output: Output, *, commands: CommandLines, step: str | None, is_full: bool
) -> int:
    """Show a thread's journal."""
    above: dict[HandoffId, tuple[int, ...]] = {}

    async def load(storage: Storage) -> tuple[list[Handoff], str]:
        thread_id = ThreadId(commands.thread_id)
        if await storage.load_run(thread_id) is None:
            raise UnknownThreadError(thread_id=thread_id)
        found = await load_handoffs_at(storage, thread_id, step, payloads=is_full)
        if any("/" in (handoff.step_id or "") for handoff in found):
            above.update(find_attempts_above(await storage.load_handoffs(thread_id)))
        if found or step is None:
            return list(found), "No handoffs yet."
        known = {h.step_id for h in await storage.load_handoffs(thread_id) if h.step_id}
        return [], f"No handoffs of step {step!r}. {suggest_names(step, known)}"

    handoffs, nothing = read(commands, load)
    draw = draw_full_handoffs if is_full else HandoffLines
    dumped = [
        {
            **(handoff.model_dump(mode="json") if is_full else dump_value(handoff)),
            "attempts_above": list(above.get(handoff.id, ())),
        }
        for handoff in handoffs
    ]
    output.show(draw(handoffs, above) if handoffs else Text(nothing), data={"handoffs": dumped})
    return ExitCode.COMPLETED


def cancel(output: Output, *, commands: CommandLines, why: str, desk: Orchestrator | None) -> int:
    """Stop a run, keeping what is done, and show where it stands then."""
    if desk is not None:
        status = asyncio.run(_cancel_with_team(desk, commands.thread_id, why=why))
        commands = replace(commands, team_storage=desk.storage_url)
    else:
        status = read(commands, lambda storage: _cancel(storage, commands.thread_id, why=why))
    if status.status in TERMINAL_RUN_STATUSES and status.cancel_reason is None:
        output.complain("The run had ended before, so there was nothing to stop.")
    _show_status(output, status, commands)
    return ExitCode.COMPLETED


async def _cancel_with_team(desk: Orchestrator, thread_id: str, *, why: str) -> ThreadStatus:
    async with desk:
        return await desk.acancel(thread_id, why=why)


async def _cancel(storage: Storage, thread_id: str, *, why: str) -> ThreadStatus:
    """Ask, and wait while a process that runs the thread stops it."""
    await storage.request_cancel(ThreadId(thread_id), why=why)
    clock = SystemClock()
    give_up_at = clock.now().timestamp() + _CANCEL_WAIT_SECONDS
    while True:
        status = await load_status(storage, thread_id)
        is_over = status.status in TERMINAL_RUN_STATUSES or status.owner is None
        if is_over or clock.now().timestamp() >= give_up_at:
            return status
        await clock.sleep(_LOOK_SECONDS)
