"""Which rows count: of which threads, steps and times, as docs/metrics.md says (I12)."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tests.metrics.recount_rows import Row, Rows
from tests.metrics.recount_times import Lives

UNIT: Final = Decimal("0.000000000001")


@dataclass(frozen=True, kw_only=True)
class Window:
    """What is asked for, as of `desk.ametrics`."""

    thread_id: str | None = None
    team: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    step_prefix: str = ""

    def holds(self, instant: str | None) -> bool:
        """Return whether something happened in the window."""
        if instant is None:
            return False
        at = datetime.fromisoformat(instant)
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)


def rate(part: float, whole: float) -> float | None:
    """Return a share, or None where there is nothing to divide by."""
    return part / whole if whole else None


def pay(units: int) -> Decimal:
    """Return money of units of 10^-12."""
    return units * UNIT


def add_up(rows: Iterable[Row], column: str) -> int:
    """Return the sum of a column; what is not known adds nothing."""
    return sum(row[column] or 0 for row in rows)


def group(rows: Iterable[Row], name: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Return rows by what a function says of them, sorted by that."""
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[name(row)].append(row)
    return {key: found[key] for key in sorted(found)}


def list_outermost(outcomes: list[Row]) -> list[Row]:
    """Return the outcomes of steps that are within no other of them, which hold what all cost."""
    paths = {row["step_id"] for row in outcomes}
    return [
        row for row in outcomes if not any(row["step_id"].startswith(f"{path}/") for path in paths)
    ]


class Scope:
    """The rows of a storage that a window holds."""

    def __init__(self, rows: Rows, window: Window) -> None:
        """Take rows and a window."""
        self.rows = rows
        self.window = window
        self.lives = Lives(rows)
        self.threads = {
            run["thread_id"]
            for run in rows["runs"]
            if (window.thread_id is None and window.team in {None, run["team"]})
            or run["thread_id"] == window.thread_id
        }

    def select(
        self, table: str, instant: str, *, step: str = "step_id", **values: Any
    ) -> list[Row]:
        """Return a table's rows that the window holds, by their own instant."""
        return [
            row
            for row in self.rows.where(table, **values)
            if row["thread_id"] in self.threads
            and self.window.holds(row[instant])
            and (row[step] or "").startswith(self.window.step_prefix)
        ]

    def list_newest(self) -> list[Row]:
        """Return the newest outcome of each step, of all times."""
        newest: dict[tuple[str, str], Row] = {}
        for row in self.rows["outcomes"]:
            newest[row["thread_id"], row["step_id"]] = row
        return [
            row
            for row in newest.values()
            if row["thread_id"] in self.threads
            and row["step_id"].startswith(self.window.step_prefix)
        ]

    def list_steps(self) -> list[Row]:
        """Return the newest outcomes that the window holds."""
        return [row for row in self.list_newest() if self.window.holds(row["settled_at"])]

    def list_attempts(self) -> list[Row]:
        """Return the attempts that the window holds."""
        outputs = self.select("handoffs", "ended_at", kind="output")
        return [row for row in outputs if self.lives.is_attempt(row)]

    def list_escalated(self) -> list[tuple[str, str]]:
        """Return the threads and steps about which a person was asked."""
        asked = self.select("questions", "asked_at")
        return sorted({(row["thread_id"], row["step_id"]) for row in asked if row["step_id"]})

    def is_faulty(self, handoff_id: str) -> bool:
        """Return whether an output is known to be wrong: a criterion refused it, or a fault names it."""
        (output,) = self.rows.where("handoffs", id=handoff_id)
        if self.rows.where("findings", handoff_id=handoff_id, result="failed"):
            return True
        return any(
            self.is_about(fault, output)
            for fault in self.rows["faults"]
            if (fault["thread_id"], fault["step_id"], fault["attempt"])
            == (output["thread_id"], output["step_id"], output["attempt"])
        )

    def is_about(self, fault: Row, output: Row) -> bool:
        """Return whether an output of a fault's attempt is the value that the fault is about.

        It has been handed over before if it was parked first; what a person wrote in its place is
        another value.
        """
        return any(
            row["payload_hash"] == output["payload_hash"]
            for row in self.rows.where(
                "handoffs",
                kind="output",
                thread_id=fault["thread_id"],
                superstep=fault["superstep"],
                step_id=fault["step_id"],
                attempt=fault["attempt"],
            )
        )
