"""Which checkpoints of a thread a resume can need; everything else may go.

LangGraph goes on from the newest checkpoint of the root graph, and into each graph below it from
the newest one there. Every checkpoint's metadata says from which checkpoints of the graphs above
its graph was begun (`parents`). If one of those is no longer kept, nothing leads into the graph
again. A step whose outcome is stored for its superstep is never run again either (I6), so that its
graphs are not needed, however new they are.

Pure: the caller reads the rows and deletes what is not kept.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

_LEVEL: Final = "|"
_DISPATCH: Final = "dispatch:"
_STEP: Final = "step:"
_UUID_EPOCH: Final = datetime(1582, 10, 15, tzinfo=UTC)
_ORDERED_BY_TIME: Final = 6

LoadMetadata = Callable[[str, str], Mapping[str, Any]]
"""Returns the metadata of a checkpoint, by namespace and id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be kept beyond what a resume needs.

    Attributes:
        newest: How many checkpoints of each namespace that is needed, at least 1.
        before: Younger checkpoints stay in any case.
    """

    newest: int
    before: datetime


def choose_kept(
    checkpoints: Mapping[str, Sequence[str]],
    load_metadata: LoadMetadata,
    *,
    settled: Collection[tuple[str, str]],
    wanted: Wanted,
) -> dict[str, set[str]]:
    """Return the ids of the checkpoints that are kept, by namespace.

    Args:
        checkpoints: The thread's, by namespace, newest first.
        load_metadata: Called for the newest of each namespace.
        settled: Superstep and path of every step that has an outcome there.
        wanted: What is kept besides.
    """
    kept: dict[str, set[str]] = {}
    for namespace in sorted(checkpoints, key=lambda name: name.count(_LEVEL) + bool(name)):
        ids = checkpoints[namespace]
        metadata = load_metadata(namespace, ids[0])
        if metadata.get("counters_since_delta_snapshot"):
            kept[namespace] = set(ids)  # delta channels are rebuilt from ancestors
            continue
        young = {one for one in ids if not is_older(one, wanted.before)}
        parents: Mapping[str, str] = metadata.get("parents") or {}
        is_needed = _is_stateful(namespace) or (
            _is_reachable(parents, kept, checkpoints)
            and not _is_settled(namespace, parents, settled)
        )
        kept[namespace] = young | set(ids[: wanted.newest] if is_needed else ())
    return kept


def _is_reachable(
    parents: Mapping[str, str],
    kept: Mapping[str, set[str]],
    checkpoints: Mapping[str, Sequence[str]],
) -> bool:
    """Return whether all checkpoints that a graph was begun from are kept, or still to come.

    With LangGraph's async durability the graphs of a superstep may be stored before its checkpoint.
    """
    return all(
        above not in kept or one in kept[above] or one > checkpoints[above][0]
        for above, one in parents.items()
    )


def _is_stateful(namespace: str) -> bool:
    """Return whether a graph keeps its state from call to call (`checkpointer=True`).

    LangGraph names such a graph without the ids of tasks. A bare number is no name: it counts the
    graphs that one task runs.
    """
    levels = namespace.split(_LEVEL) if namespace else []
    return any(":" not in level and not level.isdigit() for level in levels)


def _is_settled(
    namespace: str, parents: Mapping[str, str], settled: Collection[tuple[str, str]]
) -> bool:
    """Return whether a graph belongs to a step that has its outcome, at any depth of teams."""
    levels = namespace.split(_LEVEL)
    path: list[str] = []
    for index, (level, below) in enumerate(pairwise(levels)):
        if not level.startswith(_DISPATCH) or not below.startswith(_STEP):
            continue
        path.append(below.split(":")[1])
        superstep = parents.get(_LEVEL.join(levels[:index]))
        if superstep is not None and (superstep, "/".join(path)) in settled:
            return True
    return False


def is_older(checkpoint_id: str, instant: datetime) -> bool:
    """Return whether a checkpoint was made before an instant; an id without a time was not."""
    try:
        uuid = UUID(checkpoint_id)
    except ValueError:
        return False
    if uuid.version != _ORDERED_BY_TIME:
        return False
    # RFC 9562, section 5.6: 60 bits of time, the most significant first.
    ticks = (uuid.time_low << 28) | (uuid.time_mid << 12) | (uuid.time_hi_version & 0x0FFF)
    return _UUID_EPOCH + timedelta(microseconds=ticks // 10) < instant
