"""Where a worker's exception came from, for the journal.

Without source text: reading files would block the event loop.
"""

import traceback
from collections.abc import Iterator
from itertools import islice
from types import FrameType
from typing import Final

from interlock.contracts.safe_words import clean_words, word_error

_MOST_FRAMES: Final = 20
_MOST_CAUSES: Final = 5
_MOST_CHARACTERS: Final = 300


def list_places(exc: BaseException) -> list[str]:
    """Return where an exception was raised, the innermost place last: `file:line, in name`.

    Then the same of what caused it. What lies in this package before the worker's own code is
    left out; an exception that was never raised there has no places.
    """
    places = list(_word_frames(exc))
    for cause in islice(_walk_causes(exc), _MOST_CAUSES):
        places.append(f"caused by {type(cause).__name__}: {word_error(cause, _MOST_CHARACTERS)}")
        places += _word_frames(cause)
    return places


def _walk_causes(exc: BaseException) -> Iterator[BaseException]:
    seen = {id(exc)}
    cause = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _word_frames(exc: BaseException) -> Iterator[str]:
    frames = [(frame, line) for frame, line in traceback.walk_tb(exc.__traceback__)]
    while frames and _is_ours(frames[0][0]):
        frames.pop(0)
    for frame, line in frames[-_MOST_FRAMES:]:
        code = frame.f_code
        yield clean_words(f"{code.co_filename}:{line}, in {code.co_qualname}", _MOST_CHARACTERS)


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("interlock.")
