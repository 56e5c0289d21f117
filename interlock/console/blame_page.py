"""Faults with their paths, and what decided when a run ended, for a person."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from interlock.console.clean_text import clean_text, count_of, shorten, show_duration
from interlock.console.event_words import Mood
from interlock.console.palette import STYLES
from interlock.contracts.fault import Fault
from interlock.telemetry.metrics.critical_path import CriticalPath, PathStep
from interlock.telemetry.metrics.fault_trails import AffectedStep, FaultTrail, StepPlace
from interlock.telemetry.metrics.what_if import Saving

_WORDS: Final = 160
_MOST_FAULTS: Final = 20
_MOST_STEPS: Final = 40
_MOST_SAVINGS: Final = 8

_MOODS: Final[dict[str, Mood]] = {
    "accepted": "odd",
    "waiting": "quiet",
    "running": "quiet",
    "pruned": "quiet",
    "degraded": "odd",
    "skipped": "odd",
}
_FOUND: Final = {
    "rejected": "rejected by",
    "corrected": "corrected by",
    "retracted": "taken back by",
    "final_check": "failed the final check of",
    "reported": "reported by",
}
_SAVED: Final = {
    "faster_step": "{} twice as fast",
    "one_more_slot": "one step more at once",
    "unbounded": "no limit on steps at once",
    "first_pass": "every step accepted at its first attempt",
    "first_pass_of_step": "{} accepted at its first attempt",
    "people_at_once": "people who answer at once",
}


def draw_trails(trails: Sequence[FaultTrail]) -> RenderableType:
    """Return the faults, those that reached the most first, each with what it has reached."""
    if not trails:
        return Text("No accepted value is known to be faulty.")
    worst = sorted(trails, key=lambda trail: (-trail.cascade_size, trail.origin.step_id))
    parts: list[RenderableType] = []
    for trail in worst[:_MOST_FAULTS]:
        parts += [_draw_trail(trail), Text()]
    if len(worst) > _MOST_FAULTS:
        parts.append(Text(f"and {len(worst) - _MOST_FAULTS} more: --json has all", style="dim"))
    return Group(*(parts if len(worst) > _MOST_FAULTS else parts[:-1]))


def _draw_trail(trail: FaultTrail) -> RenderableType:
    head = Text(f"{_name(trail.origin)}", style="bold")
    head.append(f" {_word_maker(trail)} was wrong")
    root = Tree(head, guide_style="dim")
    for line in _word_trail(trail):
        root.add(Text(line))
    reached = root.add(Text(_word_cascade(trail)))
    nodes = {_key(trail.origin): reached}
    for step in trail.affected[:_MOST_STEPS]:
        above = nodes.get(_key(step.via), reached)
        nodes[_key(step.place)] = above.add(_draw_step(step, home=trail.origin))
    if len(trail.affected) > _MOST_STEPS:
        reached.add(Text(f"and {len(trail.affected) - _MOST_STEPS} more", style="dim"))
    return root


def _word_maker(trail: FaultTrail) -> str:
    if trail.worker is None:
        return "as its plan declares it"
    return f"attempt {trail.attempt} of {clean_text(trail.worker)}"


def _word_trail(trail: FaultTrail) -> Iterator[str]:
    for fault in trail.faults:
        yield _word_finding(fault)
    if len(trail.path) > 1:
        yield f"path: {' > '.join(clean_text(place.step_id) for place in trail.path)}"
    for place in trail.rests_on:
        yield f"made from another faulty value: {_name(place)}"
    if trail.found_after is not None:
        yield (
            f"found {_show(trail.found_after)} after it was accepted, when "
            f"{trail.settled_before} of {count_of(len(trail.affected), 'step')} had settled"
        )
    for gate in trail.let_pass:
        yield f"let pass by: {shorten(gate.criterion, _WORDS)}"
    if not trail.gates and trail.worker is not None:
        yield "nothing checked it"


def _word_finding(fault: Fault) -> str:
    blame = fault.blame
    why = f": {shorten(blame.why, _WORDS)}" if blame.why else ""
    return f"{_FOUND[blame.how]} {clean_text(blame.found_by)}{why}"


def _word_cascade(trail: FaultTrail) -> str:
    if not trail.affected:
        return "it has reached nobody"
    ended = ", ".join(f"{number} {status}" for status, number in trail.statuses.items())
    spent = f"{count_of(trail.attempts_spent, 'attempt')}, {trail.tokens_spent:,} tokens"
    return (
        f"reached {count_of(trail.cascade_size, 'step')} ({ended}), up to "
        f"{count_of(trail.depth, 'handoff')} away; they used {spent}"
    )


def _draw_step(step: AffectedStep, *, home: StepPlace) -> Text:
    place = step.place
    name = clean_text(place.step_id) if place.thread_id == home.thread_id else _name(place)
    line = Text(f"{name} ")
    line.append(step.status, style=STYLES[_MOODS.get(step.status, "bad")])
    notes = [] if step.by in {"output", "loss"} else [f"by {step.by}"]
    if step.by != "loss" and not step.carries and step.status in {"accepted", "degraded"}:
        notes.append("its value does not rest on it")
    if notes:
        line.append(f" ({', '.join(notes)})", style="dim")
    return line


def draw_critical_path(path: CriticalPath) -> RenderableType:
    """Return the chain of steps that decided the end, where its time went, what would have saved some."""
    if not path.steps:
        return Text("No step has settled yet that began since interlock kept times.")
    chain = Table(box=None, pad_edge=False, header_style="dim")
    for place, head in enumerate(
        ("STEP", "WORKER", "ENDED", "TRIES", "TOOK", "WHERE THE TIME WENT")
    ):
        chain.add_column(head, overflow="fold", justify="right" if place in {3, 4} else "left")
    for step in path.steps:
        chain.add_row(*_list_cells(step))
    whole = _show_us(path.total_us)
    spent = _word_stages(path.stages, path.total_us)
    until = "end" if path.is_over else "the step that settled last; the run has not ended"
    return Group(
        Text(
            f"{whole} from start to {until}, decided by {count_of(len(path.steps), 'step')}: {spent}"
        ),
        Text(),
        chain,
        Text(),
        *(Text(line) for line in _word_savings(path)),
    )


def _list_cells(step: PathStep) -> Sequence[Text]:
    cells = (
        step.step_id,
        step.worker or "-",
        step.status,
        str(step.attempts),
        _show_us(step.total_us),
        _word_stages(step.stages, step.total_us),
    )
    return [Text(clean_text(cell)) for cell in cells]


def _word_stages(stages: dict[str, int], whole: int) -> str:
    """Return the stages that took a twentieth or more, the longest first."""
    longest = sorted(stages.items(), key=lambda item: -item[1])
    parts = (
        f"{name} {100 * used / whole:.0f} %" for name, used in longest if used * 20 >= whole > 0
    )
    return ", ".join(parts) or "no time"


def _word_savings(path: CriticalPath) -> Iterator[str]:
    slots = "no limit on" if path.max_parallel is None else f"at most {path.max_parallel}"
    seen = ", as the record shows" if path.is_limit_seen else ""
    yield f"What would have ended it sooner (modelled with {slots} steps at once{seen}: {_show_us(path.modelled_us)}):"
    told = [saving for saving in path.savings if saving.saved_us > 0][:_MOST_SAVINGS]
    for saving in told:
        yield f"  {_show_us(saving.saved_us):>12}  {_word_saving(saving)}"
    if not told:
        yield "  nothing that was tried"


def _word_saving(saving: Saving) -> str:
    return _SAVED[saving.kind].format(clean_text(saving.step_id or ""))


def _key(place: StepPlace) -> tuple[str, str, str]:
    return place.thread_id, place.superstep, place.step_id


def _name(place: StepPlace) -> str:
    return f"{clean_text(place.thread_id)} {clean_text(place.step_id)}"


def _show(span: timedelta) -> str:
    return show_duration(max(span.total_seconds(), 0.0))


def _show_us(microseconds: int) -> str:
    if abs(microseconds) < 10_000:  # noqa: PLR2004 - below, tenths of a second say nothing
        return f"{microseconds / 1000:.1f} ms"
    if abs(microseconds) < 1_000_000:  # noqa: PLR2004 - the same
        return f"{microseconds / 1000:.0f} ms"
    return show_duration(microseconds / 1_000_000)
