"""The two forms of every statement that measures: of one thread, or of a window over many."""

from collections.abc import Iterator
from typing import Final, NamedTuple


class _Rows(NamedTuple):
    """What a statement's rows are chosen by.

    Attributes:
        time: The column that says when.
        path: What holds a step's path; None where there is none.
    """

    time: str
    path: str | None


_ROWS: Final = {
    "o": _Rows("settled_at", "o.step_id"),
    "h": _Rows("ended_at", "h.step_id"),
    "f": _Rows("at", "f.step_id"),
    "q": _Rows("asked_at", "coalesce(q.step_id, '')"),
    "u": _Rows("called_at", None),
    "e": _Rows("began_at", "e.step_id"),
    "c": _Rows("started_at", "c.path"),
    "r": _Rows("accepted_at", None),
    "x": _Rows("found_at", "x.step_id"),
}

SCOPES: Final = ("thread", "window")


def expand_measure(name: str, body: str) -> Iterator[tuple[str, str]]:
    """Go through a statement's forms, by their names.

    One thread's rows are found by the thread, others by when: so both cost what they hold.
    """
    for scope in SCOPES:
        fields = {alias: _word(alias, rows, scope) for alias, rows in _ROWS.items()}
        yield f"{name}_of_{scope}", body.format_map(fields)


def _word(alias: str, rows: _Rows, scope: str) -> str:
    when = f"{alias}.{rows.time} >= ?2 AND {alias}.{rows.time} < ?3"
    if scope == "thread":
        which = f"{alias}.thread_id = ?1 AND {when}"
    else:
        team = f"{alias}.thread_id IN (SELECT thread_id FROM runs WHERE team = ?1)"  # noqa: S608 - ours
        which = f"{when} AND (CAST(?1 AS TEXT) = '' OR {team})"
    path = "CAST(?4 AS TEXT)" if rows.path is None else rows.path
    return f"{which} AND substr({path}, 1, length(CAST(?4 AS TEXT))) = CAST(?4 AS TEXT)"
