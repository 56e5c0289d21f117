"""Errors about notes: the part of the tree in `errors` that a scratchpad raises."""

from typing import Final

from interlock.contracts.errors import PermanentError

_NOTE_CHARS: Final = 120


class ScratchpadFullError(PermanentError):
    """A note that is too long, or one for which the scratchpad has no room; it was not taken."""

    step_id: str
    worker: str
    setting: str
    limit: int
    asked: int

    def __init__(self, *, step_id: str, worker: str, setting: str, limit: int, asked: int) -> None:
        """Name whose scratchpad it is, the setting that bounds it, and what was asked of it."""
        super().__init__(step_id=step_id, worker=worker, setting=setting, limit=limit, asked=asked)

    def __str__(self) -> str:
        """Say what does not fit, by how much, and what to do."""
        what = "notes" if self.setting == "max_notes" else "bytes of notes"
        where = f"the scratchpad of worker {self.worker!r} on step {self.step_id!r}"
        if self.setting == "max_note_bytes":
            seen = f"A note of {self.asked:,} bytes for {where} is too long: {self.limit:,} at most"
        else:
            seen = f"With one more note {where} would hold {self.asked:,} {what}: {self.limit:,} at most"
        return (
            f"{seen}. It was not taken; the notes before it are kept. Note less, or raise "
            f"RunPolicy(scratchpad=ScratchpadPolicy({self.setting}=...))."
        )


class ScratchpadOverError(PermanentError):
    """A note for an attempt that has ended; it was not taken."""

    note: str

    def __init__(self, *, note: str) -> None:
        """Keep the note."""
        super().__init__(note=note)

    def __str__(self) -> str:
        """Say why it was not taken, and what to do."""
        seen = self.note if len(self.note) <= _NOTE_CHARS else f"{self.note[:_NOTE_CHARS]}..."
        return (
            f"The note {seen!r} came after its attempt had ended: its time was up, it waits for a "
            "person, or its worker had returned. It was not taken. A worker awaits all that it "
            "starts; a longer timeout gives it more time."
        )
