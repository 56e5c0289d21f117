"""A thread's effects, listed for people and for programs."""

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.console.clean_text import clean_text
from interlock.console.effect_page import draw_effects
from interlock.console.effect_words import count_duplicates, count_labels
from interlock.console.json_lines import dump_value
from interlock.contracts.clock import SystemClock
from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.effects import EffectRecord
from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.near_names import suggest_names
from interlock.contracts.storage import Storage


def show_effects(output: Output, *, commands: CommandLines, step: str | None, is_full: bool) -> int:
    """Show a thread's effects, oldest first."""

    async def load(storage: Storage) -> tuple[Sequence[EffectRecord], str]:
        thread_id = ThreadId(commands.thread_id)
        step_id = StepId(step) if step is not None else None
        found = await storage.ledger.apply(
            ListEffects(thread_id=thread_id, step_id=step_id, answers=True)
        )
        if found:
            return found, ""
        others = await require_thread(storage, thread_id)
        if step is None:
            return (), "No effects: no guarded tool was called on this thread."
        known = {effect.step_id for effect in others if effect.step_id}
        return (), f"No effects of step {step!r}. {suggest_names(step, known)}"

    effects, nothing = read(commands, load)
    page: RenderableType = Text(clean_text(nothing))
    if effects:
        page = draw_effects(
            effects,
            now=SystemClock().now(),
            word_settlement=commands.settle_effect,
            is_full=is_full,
        )
    output.show(page, data={"thread_id": commands.thread_id, **_dump_effects(effects)})
    return ExitCode.COMPLETED


def _dump_effects(effects: Sequence[EffectRecord]) -> dict[str, Any]:
    return {
        "effects": [dump_effect(effect) for effect in effects],
        "counts": count_labels(effects),
        "duplicates": sum(map(count_duplicates, effects)),
    }


def dump_effect(effect: EffectRecord) -> dict[str, Any]:
    """Return a record for programs, with what follows from it."""
    return {
        **dump_value(effect),
        "stands": effect.stands,
        "duplicates": count_duplicates(effect),
    }


async def require_thread(storage: Storage, thread_id: ThreadId) -> Sequence[EffectRecord]:
    """Return the effects of a thread that has a run, or effects without one.

    Raises:
        UnknownThreadError: It has neither.
    """
    effects = await storage.ledger.apply(ListEffects(thread_id=thread_id))
    if not effects and await storage.load_run(thread_id) is None:
        raise UnknownThreadError(thread_id=thread_id)
    return effects
