"""Hiding values of a recorded attempt by their names, before it leaves the storage."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from interlock.contracts.plain import Plain, derive_hash
from interlock.contracts.plan import Step
from interlock.contracts.replay import Recording, ReplaySide
from interlock.tools.canonical_arguments import derive_arguments_hash

_REDACTED: Final = "[redacted]"

_QUOTED_CHARS: Final = 4
"""Of fewer characters, a hidden value is too common a text to be looked for in others."""


def redact(recording: Recording, names: Collection[str]) -> Recording:
    """Return a recording in which the values of these names are hidden, however deep they lie.

    Also where other texts quote them: findings, feedback, errors. Its brief has another hash then,
    which is the recording's from now on.
    """
    words: set[str] = set()
    effects = recording.effects
    for value in (
        recording.brief,
        recording.output.value,
        *(effect.arguments for effect in effects),
        *(effect.answer for effect in effects),
    ):
        _note(value, names, words)
    quoted = sorted(words, key=len, reverse=True)

    def hide(value: Plain) -> Any:  # noqa: ANN401 - plain values
        return _hide(value, names, quoted)

    brief = hide(recording.brief)
    return recording.model_copy(
        update={
            "brief": brief,
            "brief_hash": derive_hash(brief),
            "step": Step.model_validate(hide(recording.step.model_dump(mode="json"))),
            "effects": tuple(
                effect.model_copy(
                    update={
                        "arguments": (arguments := hide(effect.arguments)),
                        "arguments_hash": effect.arguments_hash
                        if arguments == effect.arguments
                        else derive_arguments_hash(arguments),
                        "answer": hide(effect.answer),
                        "error": hide(effect.error),
                        "note": hide(effect.note),
                    }
                )
                for effect in effects
            ),
            "output": ReplaySide.model_validate(hide(recording.output.model_dump(mode="json"))),
        }
    )


def _note(value: Plain, names: Collection[str], words: set[str]) -> None:
    """Collect what the values of names say that others may quote."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in names:
                words.update(_list_words(item))
            else:
                _note(item, names, words)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _note(item, names, words)


def _list_words(value: Plain) -> set[str]:
    if isinstance(value, Mapping):
        return {word for item in value.values() for word in _list_words(item)}
    if isinstance(value, (list, tuple)):
        return {word for item in value for word in _list_words(item)}
    word = value if isinstance(value, str) else str(value)
    return {word} if value is not None and len(word) >= _QUOTED_CHARS else set()


def _hide(value: Plain, names: Collection[str], quoted: Collection[str]) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        for word in quoted:
            value = value.replace(word, _REDACTED)
        return value
    if isinstance(value, Mapping):
        return {
            key: _REDACTED if key in names else _hide(item, names, quoted)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_hide(item, names, quoted) for item in value]
    return value
