"""Facts in words: where one lives, who put it there, what it rests on."""

from collections.abc import Iterable
from typing import Final

from interlock.console.clean_text import clean_text, shorten
from interlock.contracts.context_records import ContextVersion, FactMark, FactRef, FactUse
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.shared_context import describe_space, name_own_space

WHY_LIMIT: Final = 500


def word_space(space: str, *, thread_id: ThreadId) -> str:
    """Return the name of a space as the thread's user knows it; empty for the thread's own."""
    return "" if space == name_own_space(thread_id) else clean_text(describe_space(space))


def word_ref(ref: FactRef, *, thread_id: ThreadId) -> str:
    """Return one version of a fact in words: `price v3 of customer/c-42`."""
    space = word_space(ref.space, thread_id=thread_id)
    name = f"{clean_text(ref.key)} v{ref.version}"
    return f"{name} of {space}" if space else name


def word_maker(made: ContextVersion, *, thread_id: ThreadId) -> str:
    """Return who made a version, and when, in words."""
    at = f"{made.at:%Y-%m-%d %H:%M:%S}"
    where = "" if made.thread_id == thread_id else f" of thread {clean_text(made.thread_id)}"
    match made.kind:
        case "seed":
            start = "this thread" if not where else f"thread {clean_text(made.thread_id)}"
            return f"given at the start of {start}, {at}"
        case "promotion":
            edited = f", {clean_text(made.why)}" if made.why else ""
            return (
                f"step {clean_text(made.step_id or '')}{where}, attempt {made.attempt} of worker "
                f"{clean_text(made.worker or '')}{edited}, {at}"
            )
        case "correction":
            return f"corrected by a person, {at}: {shorten(made.why or '', WHY_LIMIT)}"
        case "retraction":
            return f"retracted by a person, {at}: {shorten(made.why or '', WHY_LIMIT)}"


def word_mark(mark: FactMark, *, thread_id: ThreadId) -> str:
    """Return what was taken back below a fact, in words."""
    verb = "corrected" if mark.kind == "correction" else "retracted"
    if mark.is_cause:
        return f"was {verb}: {shorten(mark.why or '', WHY_LIMIT)}"
    return f"rests on {word_cause(mark, thread_id=thread_id)}"


def word_cause(mark: FactMark, *, thread_id: ThreadId) -> str:
    """Return what was taken back, and why, in words."""
    verb = "corrected" if mark.kind == "correction" else "retracted"
    why = shorten(mark.why or "", WHY_LIMIT)
    return f"{word_ref(mark.cause, thread_id=thread_id)}, which was {verb}: {why}"


def word_uses(uses: Iterable[FactUse], *, thread_id: ThreadId) -> str:
    """Return the steps that were shown a fact, in words, each with its last attempt."""
    last: dict[tuple[ThreadId, StepId], int] = {}
    for use in uses:
        place = (use.thread_id, use.step_id)
        last[place] = max(use.attempt, last.get(place, 0))
    return ", ".join(
        f"{word_step(*place, thread_id=thread_id)} (attempt {attempt})"
        for place, attempt in last.items()
    )


def word_step(owner: ThreadId, step_id: StepId, *, thread_id: ThreadId) -> str:
    """Return a step in words, with its thread if that is another one."""
    name = clean_text(step_id)
    return name if owner == thread_id else f"{name} of thread {clean_text(owner)}"
