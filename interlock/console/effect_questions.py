"""Questions about effects: what is known of each, and what each decision means."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from interlock.console.clean_text import clean_text, shorten, show_duration
from interlock.console.effect_words import word_attempts
from interlock.contracts.plain import Plain
from interlock.contracts.question import Decision, Question, QuestionKind

_CALL_LIMIT: Final = 300
_MEANINGS: Final[Mapping[tuple[QuestionKind, Decision], str]] = {
    ("effect", "approve"): "it happened; what it answered is not known",
    ("effect", "edit"): "it happened, and this is what it answered",
    ("effect", "reject"): "it did not happen, so that it may be run again",
    ("orphans", "approve"): "let them stand",
    ("orphans", "reject"): "state them as a gap in the result",
}


def word_meaning(question: Question, decision: Decision) -> str | None:
    """Return what a decision means for a question about effects; None for any other question."""
    return _MEANINGS.get((question.kind, decision))


def word_asked_effects(question: Question, *, now: datetime | None) -> list[str] | None:
    """Return what a question about effects shows, a line each; None if it shows no effect.

    Args:
        question: Of any kind.
        now: Tells how long ago they were begun; left out, that is not said.
    """
    args = question.args
    if question.kind == "effect" and isinstance(args, Mapping) and "key" in args:
        return list(_word_unknown(args, now, asked=question.description))
    effects = args.get("effects") if isinstance(args, Mapping) else None
    if question.kind == "orphans" and isinstance(effects, list):
        return [_word_orphan(effect) for effect in effects if isinstance(effect, Mapping)]
    return None


def _word_unknown(
    effect: Mapping[str, Plain], now: datetime | None, *, asked: str
) -> Iterator[str]:
    if str(effect.get("call")) not in asked:  # or it is there to be read already
        yield f"call:  {_show(effect, 'call')}"
    began_at = _parse_time(effect.get("began_at"))
    if began_at is not None:
        ago = f", {show_duration((now - began_at).total_seconds())} ago" if now else ""
        yield f"begun: {began_at:%Y-%m-%d %H:%M:%S} UTC{ago}"
    yield f"key:   {_show(effect, 'key')}"


def _word_orphan(effect: Mapping[str, Plain]) -> str:
    attempts = effect.get("attempts")
    words = f"{_show(effect, 'call')} is {_show(effect, 'state')}"
    if not isinstance(attempts, list) or not attempts:
        return words
    return f"{words}, called by {word_attempts([str(attempt) for attempt in attempts])}"


def _show(effect: Mapping[str, Plain], name: str) -> str:
    return shorten(clean_text(str(effect.get(name, "?"))), _CALL_LIMIT)


def _parse_time(text: Plain) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
