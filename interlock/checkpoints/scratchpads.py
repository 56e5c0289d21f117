"""Scratchpads as rows: each note once, for later attempts of its worker and for people (I4)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.scratchpad import Note


def derive_note_rows(notes: Iterable[Note]) -> list[tuple[object, ...]]:
    """Return the rows of notes."""
    return [
        (
            note.id,
            note.thread_id,
            note.superstep,
            note.step_id,
            note.worker,
            note.attempt,
            note.size,
            dump_time(note.at),
            note.text.encode(),
        )
        for note in notes
    ]


def insert_notes(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Append notes; one whose id is stored is ignored."""
    connection.run_many("insert_note", rows)


async def load_notes(
    database: Database, thread_id: ThreadId, *, step_id: StepId | None
) -> Sequence[Note]:
    """Return the notes of a step's workers, or of all, on all branches, oldest first."""

    def operation(connection: Connection) -> Sequence[Note]:
        return [
            Note(
                id=note_id,
                thread_id=thread_id,
                superstep=superstep,
                step_id=step,
                worker=worker,
                attempt=attempt,
                text=bytes(note).decode(),
                at=datetime.fromisoformat(noted_at),
            )
            for note_id, superstep, step, worker, attempt, noted_at, note in connection.run(
                "load_notes", (thread_id, step_id)
            )
        ]

    return await database.read(operation)
