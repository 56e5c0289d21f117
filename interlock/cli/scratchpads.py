"""What workers noted on a thread's steps, for people and for programs."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.clean_text import clean_text
from interlock.console.json_lines import dump_value
from interlock.console.scratchpad_page import draw_notes
from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.near_names import suggest_names
from interlock.contracts.scratchpad import Note
from interlock.contracts.storage import Storage


def show_scratchpad(output: Output, *, commands: CommandLines, step: str | None) -> int:
    """Show the notes on one step, or on all, oldest first."""

    async def load(storage: Storage) -> tuple[Sequence[Note], str]:
        thread_id = ThreadId(commands.thread_id)
        if await storage.load_run(thread_id) is None:
            raise UnknownThreadError(thread_id=thread_id)
        step_id = StepId(step) if step is not None else None
        found = await storage.load_notes(thread_id, step_id=step_id)
        if found or step is None:
            return found, "No notes: no worker has noted anything on this thread."
        known = {note.step_id for note in await storage.load_notes(thread_id)}
        known |= {h.step_id for h in await storage.load_handoffs(thread_id) if h.step_id}
        if step in known:
            return (), f"No notes: the workers of step {step!r} have noted nothing."
        return (), f"No notes of step {step!r}. {suggest_names(step, known)}"

    notes, nothing = read(commands, load)
    page: RenderableType = draw_notes(notes) if notes else Text(clean_text(nothing))
    data = {
        "thread_id": commands.thread_id,
        "notes": [dump_value(note) for note in notes],
        "bytes": sum(note.size for note in notes),
    }
    output.show(page, data=data)
    return ExitCode.COMPLETED
