"""Where faults went, told anew from raw rows, as docs/metrics.md says: of runs without forks and teams.

Each step is asked again and again whether it was handed what is wrong, until nothing changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tests.metrics.recount_rows import Row, Rows

LOST: Final = frozenset({"degraded", "skipped", "failed", "blocked", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Trail:
    """Where one faulty value went.

    Attributes:
        shown: Steps that were handed it, with how many handoffs away.
        unbegun: Steps that never began since one of those was lost.
        carriers: Those that handed it on.
    """

    shown: dict[str, int] = field(default_factory=dict)
    unbegun: set[str] = field(default_factory=set)
    carriers: set[str] = field(default_factory=set)


class Thread:
    """The rows of one thread."""

    def __init__(self, rows: Rows, thread_id: str) -> None:
        """Take them."""
        self.id = thread_id
        self._rows = rows
        self.newest: dict[str, Row] = {
            row["step_id"]: row for row in rows.where("outcomes", thread_id=thread_id)
        }
        self.briefed = {
            row["step_id"] for row in rows.where("handoffs", thread_id=thread_id, kind="brief")
        }

    def is_handed(self, step: str, source: str) -> bool:
        """Return whether a brief of a step showed another's output, or a fact that it published."""
        if step not in self.briefed:
            return False
        needs = self._rows.where("step_needs", thread_id=self.id, step_id=step, need=source)
        if any(need["is_read"] for need in needs):
            return True
        published = {
            (version["space"], version["version"])
            for version in self._rows.where(
                "context_versions", thread_id=self.id, step_id=source, kind="promotion"
            )
        }
        uses = self._rows.where("context_uses", thread_id=self.id, step_id=step)
        return any((use["space"], use["version"]) in published for use in uses)

    def is_carrying(self, step: str) -> bool:
        """Return whether a step's value is its worker's: neither declared nor written by a person."""
        outcome = self.newest[step]
        if outcome["status"] not in {"accepted", "degraded"} or outcome["fallback"] == "use_value":
            return False
        outputs = self._rows.where(
            "handoffs",
            thread_id=self.id,
            kind="output",
            step_id=step,
            superstep=outcome["superstep"],
            attempt=outcome["attempts"],
        )
        return any(row["action"] == "accept" and row["sender"] != "person" for row in outputs)

    def needs(self, step: str) -> set[str]:
        """Return what a step waits for."""
        rows = self._rows.where("step_needs", thread_id=self.id, step_id=step)
        return {row["need"] for row in rows}

    def follow(self, origin: str) -> Trail:
        """Return where the value of a step went."""
        trail = Trail()
        front, distance = {origin}, 0
        while front:
            distance += 1
            reached = {
                step
                for step in self.newest
                if step != origin
                and step not in trail.shown
                and any(self.is_handed(step, source) for source in front)
            }
            trail.shown.update(dict.fromkeys(reached, distance))
            front = {step for step in reached if self.is_carrying(step)}
            trail.carriers.update(front)
        while new := {step for step in self.newest if self._is_unbegun(step, trail)}:
            trail.unbegun.update(new)
        return trail

    def _is_unbegun(self, step: str, trail: Trail) -> bool:
        affected = {*trail.shown, *trail.unbegun}
        return (
            step not in affected
            and step not in self.briefed
            and self.newest[step]["status"] == "blocked"
            and any(
                need in affected and self.newest[need]["status"] in LOST
                for need in self.needs(step)
            )
        )


def recount_trails(rows: Rows) -> dict[tuple[str, str], dict[str, Any]]:
    """Return each faulty value's trail, by thread and step."""
    values = {(row["thread_id"], row["step_id"]) for row in rows["faults"]}
    return {
        (thread_id, step): describe(Thread(rows, thread_id), step)
        for thread_id, step in sorted(values)
    }


def describe(thread: Thread, origin: str) -> dict[str, Any]:
    """Return what is said of a trail."""
    trail = thread.follow(origin)
    affected = {*trail.shown, *trail.unbegun}
    status: Mapping[str, str] = {step: thread.newest[step]["status"] for step in affected}
    return {
        "affected": {step: status[step] for step in sorted(affected)},
        "distances": {step: trail.shown[step] for step in sorted(trail.shown)},
        "carriers": sorted(trail.carriers),
        "depth": max(trail.shown.values(), default=0),
        "consumers": sorted(step for step, distance in trail.shown.items() if distance == 1),
        "cascade_size": len(affected),
        "accepted": sum(status[step] == "accepted" and step in trail.carriers for step in affected),
        "lost": sum(status[step] in LOST for step in affected),
    }


def recount_path(rows: Rows, thread_id: str) -> list[str]:
    """Return the steps that decided when a run ended: each needed last by the next one.

    Those that never began, as what is blocked, decided nothing.
    """
    newest = {row["step_id"]: row for row in rows.where("outcomes", thread_id=thread_id)}
    settled = {
        step: row["settled_at"]
        for step, row in newest.items()
        if row["status"] != "waiting" and row["begun_at"] is not None and "/" not in step
    }
    path: list[str] = []
    candidates = set(settled)
    while candidates:
        last = min(candidates, key=lambda step: (_turn(settled[step]), step))
        path.insert(0, last)
        needs = rows.where("step_needs", thread_id=thread_id, step_id=last)
        newest_at = max((need["superstep"] for need in needs), default="")
        candidates = {need["need"] for need in needs if need["superstep"] == newest_at}
        candidates &= set(settled)
    return path


def _turn(instant: str) -> float:
    """Return a number that is the smaller the later an instant is."""
    return -datetime.fromisoformat(instant).timestamp()
