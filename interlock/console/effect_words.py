"""Effects in words: how each stands, who called for it, and how many there are of which kind."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from interlock.console.clean_text import clean_text, count_of, shorten, show_duration, show_value
from interlock.console.event_words import Mood
from interlock.contracts.effects import ENDED, EffectRecord, EffectUse, Settler
from interlock.contracts.ids import IdempotencyKey

LABEL_MOODS: Final[dict[str, Mood]] = {
    "done": "good",
    "undone": "quiet",
    "failed": "bad",
    "unknown": "odd",
    "started": "quiet",
    "intended": "quiet",
}
"""Every word for how an effect stands, in the order in which they are counted."""

ANSWER_LIMIT: Final = 300
_WORDS_LIMIT: Final = 500
_CALL_LIMIT: Final = 60
_PART: Final = re.compile(r"([^@#]+)@[^#]*#([0-9]+|undo)")
_BLOCK: Final = "block@"
_SETTLERS: Final[dict[Settler, str]] = {
    "tool": "",
    "probe": "on the word of its probe",
    "person": "on the word of a person",
    "takeover": "",  # its note says so
    "late answer": "by an answer that came late",
}


@dataclass(frozen=True, slots=True)
class KnownEffects:
    """The effects of a thread, to be found by what they have to do with each other.

    Attributes:
        by_key: All of them.
        undos: Those that undo another, by the key of that one.
    """

    by_key: Mapping[IdempotencyKey, EffectRecord]
    undos: Mapping[IdempotencyKey, EffectRecord]

    @classmethod
    def gather(cls, effects: Sequence[EffectRecord]) -> Self:
        """Return a thread's effects."""
        return cls(
            by_key={effect.key: effect for effect in effects},
            undos={effect.undoes: effect for effect in effects if effect.undoes is not None},
        )


def name_state(effect: EffectRecord) -> str:
    """Return how an effect stands in one word: its state, or `undone`."""
    return effect.state if effect.undone_by is None else "undone"


def count_duplicates(effect: EffectRecord) -> int:
    """Return how many calls were answered from the ledger."""
    return sum(not use.did_start for use in effect.uses) if effect.state in ENDED else 0


def count_labels(effects: Sequence[EffectRecord]) -> dict[str, int]:
    """Return how many effects stand how, of those words that apply."""
    found = Counter(name_state(effect) for effect in effects)
    return {label: found[label] for label in LABEL_MOODS if found[label]}


def word_total(effects: Sequence[EffectRecord]) -> str:
    """Return the line that counts: `12 effects: 11 done, 1 unknown; 7 duplicates answered ...`."""
    words = f"{count_of(len(effects), 'effect')}: " + ", ".join(
        f"{count} {label}" for label, count in count_labels(effects).items()
    )
    duplicates = sum(map(count_duplicates, effects))
    return f"{words}; {_word_duplicates(duplicates)}" if duplicates else words


def _word_duplicates(count: int) -> str:
    return f"{count_of(count, 'duplicate')} answered from the ledger"


def word_call(effect: EffectRecord) -> str:
    """Return the call, clean."""
    return shorten(effect.describe(), _WORDS_LIMIT)


def word_callers(effect: EffectRecord) -> str:
    """Return who called: `refund_step #1, #2 by clerk`, or who takes it back, and when."""
    callers = word_attempts([use.attempt for use in effect.uses]) or effect.step_id or "nobody yet"
    if effect.undoes is not None:
        return clean_text(f"by {effect.worker}, {callers}")
    return clean_text(f"{callers} by {effect.worker}" if effect.worker else callers)


def word_attempts(attempts: Iterable[str]) -> str:
    """Return attempts by path as a person says them, each once: `refund_step #1, #2`."""
    numbers: dict[str, list[str]] = {}
    blocks: set[str] = set()
    for attempt in attempts:
        if attempt.startswith(_BLOCK):
            blocks.add(attempt)
            continue
        place, number = _split_attempt(attempt)
        known = numbers.setdefault(place, [])
        if number not in known:
            known.append(number)
    words = [f"{place} {', '.join(found)}".strip() for place, found in numbers.items()]
    if blocks:
        words.append("outside a run" + (f", in {len(blocks)} blocks" if len(blocks) > 1 else ""))
    return clean_text("; ".join(words))


def _split_attempt(path: str) -> tuple[str, str]:
    """Return an attempt's step by path and its number, without checkpoint ids."""
    parts = [_PART.fullmatch(part) for part in path.split("/")]
    *above, last = parts
    if last is None or not all(above):
        return path, ""
    outer = "".join(f"{part[1]} #{part[2]} / " for part in above if part is not None)
    step = f"{outer}{last[1]}"
    return (f"when {step} settled", "") if last[2] == "undo" else (step, f"#{last[2]}")


def word_use(use: EffectUse) -> str:
    """Return one call in full: when, whether it began the effect, which attempt, where in it."""
    fate = "began" if use.did_start else "again"
    return f"{use.called_at:%H:%M:%S}  {fate}  {clean_text(f'{use.attempt} {use.place}')}"


def word_outcome(effect: EffectRecord) -> str:
    """Return the answer or the error, shortened; empty while there is none."""
    if effect.error is not None:
        kind = effect.error.type.rpartition(".")[2]
        return shorten(f"error {kind}: {effect.error.message}", ANSWER_LIMIT)
    if effect.state != "done" or effect.undoes is not None:
        return ""  # what an undo returns is nobody's answer
    return f"answer: {show_value(effect.answer, ANSWER_LIMIT)}"


def word_facts(effect: EffectRecord, known: KnownEffects, *, now: datetime) -> str:
    """Return what else is to be known of an effect, in one line.

    Args:
        effect: The effect.
        known: The thread's effects.
        now: Tells for how long it has been running.
    """
    return "; ".join(filter(None, _list_facts(effect, known, now)))


def _list_facts(effect: EffectRecord, known: KnownEffects, now: datetime) -> Iterator[str]:
    yield ", ".join(filter(None, (_word_standing(effect, known), *_list_marks(effect))))
    if effect.state == "started":
        yield f"running as far as is known, {word_beginning(effect, now=now)}"
    if effect.state == "intended":
        yield "the next call runs it"
    if effect.tries > 1:
        yield f"try {effect.tries}, as nothing had happened before"
    duplicates = count_duplicates(effect)
    if duplicates:
        yield _word_duplicates(duplicates)
    because = ": ".join(filter(None, (_SETTLERS[effect.settled_by], effect.note)))
    yield shorten(because, _WORDS_LIMIT)


def _word_standing(effect: EffectRecord, known: KnownEffects) -> str:
    if effect.undoes is not None:
        undone = known.by_key.get(effect.undoes)
        what = clean_text(effect.undoes) if undone is None else _word_briefly(undone)
        return f"takes back {what}"
    undo = known.undos.get(effect.key)
    if effect.undone_by is not None:
        at = "" if undo is None else f" at {undo.ended_at or undo.began_at:%H:%M:%S}"
        return f"undone{at} by {clean_text(effect.undone_by if undo is None else undo.tool)}"
    standing = "stands" if effect.state == "done" else "may stand" if effect.stands else ""
    return standing if undo is None else f"{standing}, its undo is {undo.state}"


def _word_briefly(effect: EffectRecord) -> str:
    return f"{shorten(effect.describe(), _CALL_LIMIT)} of {effect.began_at:%H:%M:%S}"


def _list_marks(effect: EffectRecord) -> Iterator[str]:
    if effect.is_irreversible:
        yield "irreversible"
    if effect.can_undo and effect.undone_by is None:
        yield "can be undone"
    if effect.is_natural:
        yield "harmless twice (natural)"


def word_beginning(effect: EffectRecord, *, now: datetime) -> str:
    """Return since when an effect is open, and by whom: `begun ..., 3 min 5 s ago by process 7`."""
    ago = show_duration((now - effect.began_at).total_seconds())
    begun = f"begun {effect.began_at:%Y-%m-%d %H:%M:%S} UTC, {ago} ago"
    return f"{begun} by {clean_text(effect.runner)}" if effect.runner else begun
