"""Scratchpads: one worker's private notes on one step, append-only (I4).

A worker appends and reads; its storage keeps. The room below the workers hands each attempt a pad
that keeps every note the moment it is appended; a pad without a keeper only remembers.
"""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import datetime
from typing import NewType, Self

from interlock.contracts.errors import ConfigurationError, PlainValueError
from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import StepId, ThreadId, WorkerName, derive_id
from interlock.contracts.plain import derive_hash, parse_plain
from interlock.contracts.safe_words import word_value
from interlock.contracts.scratchpad_errors import ScratchpadOverError

NoteId = NewType("NoteId", str)
KeepNote = Callable[[str], None]
"""Keeps a note, or raises why it cannot."""


class Note(FrozenModel):
    """One note as it is stored; for people, and for later attempts of the worker that made it.

    Attributes:
        id: Equal for the same note of the same attempt, however often the attempt is run again.
        thread_id: The thread.
        superstep: Checkpoint id of the dispatch superstep; another branch has another.
        step_id: The step, by path in nested teams.
        worker: Whose note it is.
        attempt: The attempt that made it, from 1.
        text: What was noted.
        at: When.
    """

    id: NoteId
    thread_id: ThreadId
    superstep: str
    step_id: StepId
    worker: WorkerName
    attempt: int
    text: str
    at: datetime

    @property
    def size(self) -> int:
        """Its length in bytes of UTF-8."""
        return len(self.text.encode())


def derive_note_id(
    thread_id: str, *, superstep: str, step_id: str, worker: str, attempt: int, text: str, nth: int
) -> NoteId:
    """Return the id of a note: an attempt that is run again makes the same note under the same id.

    Args:
        thread_id: The thread.
        superstep: Checkpoint id of the dispatch superstep.
        step_id: The step, by path.
        worker: Whose note it is.
        attempt: From 1.
        text: What was noted.
        nth: Which among equal texts in one execution of the attempt, from 0.
    """
    return NoteId(
        derive_id("n", thread_id, superstep, step_id, worker, attempt, derive_hash(text), nth)
    )


class Scratchpad:
    """A worker's notes on one step: append-only, seen by later attempts of the same step."""

    __slots__ = ("_added", "_earlier", "_is_closed", "_keep")

    def __init__(self, earlier: tuple[str, ...] = (), *, keep: KeepNote | None = None) -> None:
        """Start from the notes of earlier attempts.

        Args:
            earlier: Oldest first.
            keep: Told of every new note before it is taken; may be called from any thread.
        """
        self._earlier = earlier
        self._added: list[str] = []
        self._keep = keep
        self._is_closed = False

    def append(self, note: str) -> None:
        """Add a note; it is kept from now on, whatever becomes of the attempt.

        Raises:
            PlainValueError: It is no text, or has a lone surrogate.
            ScratchpadFullError: It is too long, or the pad is full; earlier notes stay.
            ScratchpadOverError: The attempt has ended.
        """
        if not isinstance(note, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise PlainValueError(path="the note", seen=f"{word_value(note, 80)}, which is no text")
        text = str(parse_plain(note, name="the note"))
        if self._is_closed:
            raise ScratchpadOverError(note=text)
        if self._keep is not None:
            self._keep(text)
        self._added.append(text)

    def close(self) -> None:
        """Take no more notes: the attempt has ended."""
        self._is_closed = True

    def __iter__(self) -> Iterator[str]:
        """Go through all notes, oldest first."""
        return iter((*self._earlier, *self._added))

    def __len__(self) -> int:
        """Return how many notes there are."""
        return len(self._earlier) + len(self._added)

    def __repr__(self) -> str:
        """Show the notes."""
        return f"Scratchpad({list(self)!r})"

    def __copy__(self) -> Self:
        """Return the pad itself: a note on a copy would be lost."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return the pad itself, for the same reason."""
        return self

    def __reduce__(self) -> tuple[type["Scratchpad"], tuple[tuple[str, ...]]]:
        """Pickle as the notes alone; in another process nobody keeps what is added."""
        return Scratchpad, (tuple(self),)

    @property
    def added(self) -> tuple[str, ...]:
        """The notes of this attempt."""
        return tuple(self._added)


CURRENT_SCRATCHPAD: ContextVar[Scratchpad | None] = ContextVar("interlock_scratchpad", default=None)


def scratchpad() -> Scratchpad:
    """Return the scratchpad of the attempt that calls: for graphs, agents and their tools.

    A function of the brief has the same one in `brief.scratchpad`.

    Raises:
        ConfigurationError: The caller is no worker of a step.
    """
    current = CURRENT_SCRATCHPAD.get()
    if current is None:
        raise ConfigurationError(
            "scratchpad() was called outside a worker, so there is no step to note for. Call it "
            "from a worker, a node of its graph or one of its tools, in the context that it runs in."
        )
    return current
