"""Where threads stand: one in detail, or all in a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from interlock.console.clean_text import clean_text, count_of, shorten, show_duration
from interlock.console.command_line import draw_command
from interlock.console.event_words import STATUS_MOODS
from interlock.console.palette import STYLES
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES, Usage
from interlock.orchestrator.status import ThreadStatus

_MOST_RUNNING: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCommands:
    """Command lines for what can be done next with a thread.

    Attributes:
        resume: Goes on with it.
        inbox: Shows its open questions.
        note: What is to be known of the first; empty if nothing.
    """

    resume: str
    inbox: str
    note: str = ""


def draw_status(status: ThreadStatus, *, now: datetime, commands: NextCommands) -> Group:
    """Return one thread's page."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    table.add_row("goal", Text(shorten(status.goal, 500)))
    table.add_row("steps", Text(_word_steps(status)))
    table.add_row("attempts", Text(_word_attempts(status)))
    table.add_row("handoffs", Text(str(status.handoffs)))
    if status.usage.model_calls:
        table.add_row("models", Text(_word_usage(status.usage)))
    age = show_duration((now - status.accepted_at).total_seconds())
    changed = show_duration((now - status.updated_at).total_seconds())
    table.add_row("started", Text(f"{status.accepted_at:%Y-%m-%d %H:%M:%S} UTC, {age} ago"))
    table.add_row("changed", Text(f"{changed} ago"))
    if status.cancel_reason is not None:
        label = "stopped" if status.status == "cancelled" else "to be stopped"
        table.add_row(label, Text(f"because {shorten(status.cancel_reason, 500)}"))
    return Group(_draw_headline(status), table, *_draw_open(status, now=now, commands=commands))


def _draw_headline(status: ThreadStatus) -> Text:
    text = Text(f"thread {clean_text(status.thread_id)}: ", style="bold")
    text.append_text(_word_status(status))
    if status.owner is not None:
        text.append(f", run by {clean_text(status.owner)}", style="default")
    return text


def _word_status(status: ThreadStatus) -> Text:
    """Return a thread's status; a run that nobody runs is called stopped."""
    if status.status == "running" and status.owner is None:
        return Text("stopped", style=f"bold {STYLES['odd']}")
    return Text(status.status, style=f"bold {STYLES[STATUS_MOODS[status.status]]}")


def _word_steps(status: ThreadStatus) -> str:
    if status.total is None:
        return "no plan yet"
    words = [f"{status.done} of {status.total} done"]
    words += [f"{count} {name}" for name, count in sorted(status.settled.items())]
    return f"{words[0]} ({', '.join(words[1:])})" if words[1:] else words[0]


def _word_attempts(status: ThreadStatus) -> str:
    retries = f"{status.retries} of them {'a retry' if status.retries == 1 else 'retries'}"
    return f"{status.attempts}, {retries}" if status.retries else str(status.attempts)


def _word_usage(usage: Usage) -> str:
    words = f"{count_of(usage.model_calls, 'call')}, {count_of(usage.tokens, 'token')}"
    return f"{words}, {usage.money:f} of money" if usage.money else words


def _draw_open(
    status: ThreadStatus, *, now: datetime, commands: NextCommands
) -> Iterator[RenderableType]:
    is_owned = status.owner is not None
    if status.running:
        yield Text("\nRunning" if is_owned else "\nBegun, to be finished", style="bold")
        yield _draw_attempts(status, now=now)
    if status.questions:
        count = count_of(len(status.questions), "open question")
        yield Text(f"\n{count}. See what is asked:")
        yield draw_command(commands.inbox)
    if status.status in TERMINAL_RUN_STATUSES:
        yield Text("\nThe run has ended. Read its result:")
        yield from _draw_resume(commands)
    elif not is_owned and (status.status == "running" or status.cancel_reason is not None):
        yield Text("\nNobody is running it. Resume it:")
        yield from _draw_resume(commands)


def _draw_resume(commands: NextCommands) -> Iterator[RenderableType]:
    yield draw_command(commands.resume)
    if commands.note:
        yield Text(commands.note, style="dim")


def _draw_attempts(status: ThreadStatus, *, now: datetime) -> Table:
    table = Table.grid(padding=(0, 2))
    for attempt in list(status.running)[:_MOST_RUNNING]:
        table.add_row(
            Text(f"  {clean_text(attempt.step_id)}"),
            Text(f"{clean_text(attempt.worker)}, attempt {attempt.attempt}"),
            Text(f"for {show_duration((now - attempt.started_at).total_seconds())}"),
        )
    if len(status.running) > _MOST_RUNNING:
        table.add_row(Text(f"  and {len(status.running) - _MOST_RUNNING} more"))
    return table


def draw_statuses(statuses: Sequence[ThreadStatus], *, now: datetime) -> Table:
    """Return all threads as a table, in the order given."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("THREAD", "STATUS", "STEPS", "QUESTIONS", "CHANGED"):
        table.add_column(name, no_wrap=True)
    table.add_column("GOAL", overflow="fold")  # the one that gives way on a narrow terminal
    for status in statuses:
        total = "?" if status.total is None else str(status.total)
        table.add_row(
            Text(shorten(status.thread_id, 40)),
            _word_status(status),
            Text(f"{status.done}/{total}"),
            Text(str(len(status.questions)) if status.questions else ""),
            Text(f"{show_duration((now - status.updated_at).total_seconds())} ago"),
            Text(shorten(status.goal, 80)),
        )
    return table
