"""One step's scratchpads while the step is under way: read once, kept in storage at every note.

The state holds no note. What an attempt is shown are the notes of the same worker's earlier
attempts on this branch (I4), fixed before it starts: an attempt that is run again after a crash
gets the same brief, and what it notes again is the same note.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from interlock.contracts.ids import WorkerName
from interlock.contracts.policy import ScratchpadPolicy
from interlock.contracts.scratchpad import Note, NoteId, Scratchpad, derive_note_id
from interlock.contracts.scratchpad_errors import ScratchpadFullError
from interlock.contracts.storage import Batch, Storage
from interlock.nodes.run.place import Place
from interlock.nodes.steps.step_state import StepState


class StepNotes:
    """The notes of one step's workers, as far as this process knows them."""

    __slots__ = ("_known", "_limits", "_lock", "_now", "_place", "_storage", "_whole")

    def __init__(
        self,
        storage: Storage,
        place: Place,
        *,
        limits: ScratchpadPolicy,
        now: Callable[[], datetime],
    ) -> None:
        """Know nothing yet.

        Args:
            storage: Where notes are kept.
            place: The step's.
            limits: How much one worker may note.
            now: The time.
        """
        self._storage = storage
        self._place = place
        self._limits = limits
        self._now = now
        self._known: dict[NoteId, Note] = {}
        self._whole = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Take it that there is nothing to read: the step has had no attempt."""
        self._whole = True

    async def load(self) -> None:
        """Read what earlier processes and supersteps have left, unless that is known; once."""
        if self._whole:
            return
        await self._storage.flush(self._place.thread_id)  # what this process has posted, too
        stored = await self._storage.load_notes(self._place.thread_id, step_id=self._place.path)
        self._known = {**{note.id: note for note in stored}, **self._known}
        self._whole = True

    def list_earlier(self, state: StepState) -> tuple[str, ...]:
        """Return what the worker whose turn it is noted in its earlier attempts, oldest first."""
        return tuple(n.text for n in self._list_own(state) if n.attempt < state["attempt"])

    def list_all(self, state: StepState) -> tuple[str, ...]:
        """Return what the worker whose turn it is has noted, this attempt included."""
        return tuple(note.text for note in self._list_own(state))

    def open(self, state: StepState) -> Scratchpad:
        """Return the scratchpad for the attempt that the state stands at."""
        loop = asyncio.get_running_loop()
        worker, attempt = WorkerName(state["worker"]), state["attempt"]
        superstep = state["supersteps"][-1]
        seen: Counter[str] = Counter()

        def keep(text: str) -> None:
            with self._lock:
                note_id = derive_note_id(
                    self._place.thread_id,
                    superstep=superstep,
                    step_id=self._place.path,
                    worker=worker,
                    attempt=attempt,
                    text=text,
                    nth=seen[text],
                )
                is_known = note_id in self._known
                note = Note(
                    id=note_id,
                    thread_id=self._place.thread_id,
                    superstep=superstep,
                    step_id=self._place.path,
                    worker=worker,
                    attempt=attempt,
                    text=text,
                    at=self._now(),
                )
                if not is_known:
                    self._require_room(state, note)
                seen[text] += 1
                self._known.setdefault(note_id, note)
            if not is_known:
                self._post(note, loop)

        # A closure: who walks through a worker's data must not get from the pad to the storage.
        return Scratchpad(self.list_earlier(state), keep=keep)

    def _list_own(self, state: StepState) -> list[Note]:
        worker, supersteps = state["worker"], state["supersteps"]
        return [n for n in self._known.values() if n.worker == worker and n.superstep in supersteps]

    def _require_room(self, state: StepState, note: Note) -> None:
        own = self._list_own(state)
        asked = {
            "max_note_bytes": note.size,
            "max_notes": len(own) + 1,
            "max_bytes": sum(each.size for each in own) + note.size,
        }
        for setting, count in asked.items():
            limit: int = getattr(self._limits, setting)
            if count > limit:
                raise ScratchpadFullError(
                    step_id=note.step_id,
                    worker=note.worker,
                    setting=setting,
                    limit=limit,
                    asked=count,
                )

    def _post(self, note: Note, loop: asyncio.AbstractEventLoop) -> None:
        """Send a note on its way to the storage, in the loop of the run; a sync worker has none."""

        def post() -> None:
            self._storage.post(note.thread_id, Batch(notes=(note,)))

        try:
            is_here = asyncio.get_running_loop() is loop
        except RuntimeError:
            is_here = False
        if is_here:
            post()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(post)
