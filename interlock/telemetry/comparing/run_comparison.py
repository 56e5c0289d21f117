"""Two runs beside each other, step by step in the order of the plan.

A difference is a cause unless it follows from another: a step that was shown another output than in
the other run differs because the step differs that it reads. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from interlock.contracts.ids import StepId
from interlock.contracts.plain import Plain, is_same
from interlock.contracts.run_difference import (
    DifferenceKind,
    RunDifference,
    RunTrace,
    StepDifference,
    StepTrace,
)

_START = StepId("")
_IGNORED = frozenset({"attempt", "feedback", "scratchpad", "effects"})
"""Parts of a brief that tell of the step's own attempts before, and not of what it was given."""


class _Seen(NamedTuple):
    """What is known while steps are gone through in order.

    Attributes:
        differing: The steps that differ, and the start.
        publishers: The steps that publish a context key.
    """

    differing: Mapping[StepId, StepDifference]
    publishers: Mapping[str, list[StepId]]


def compare_runs(one: RunTrace, other: RunTrace) -> RunDifference:
    """Return where two runs parted, what followed, and what is equal."""
    before, after = ({step.path: step for step in run.steps} for run in (one, other))
    differing: dict[StepId, StepDifference] = {}
    publishers = _index_publishers(one, other)
    if (start := _compare_start(one, other)) is not None:
        differing[_START] = start
    same: list[StepId] = []
    seen = _Seen(differing, publishers)
    for path, is_end in _walk(_order(one, other)):
        if path in differing:
            continue
        look = _compare_end if is_end else _compare_begin
        found = look(path, before.get(path), after.get(path), seen)
        if found is not None:
            differing[path] = found
        elif is_end:
            same.append(path)
    return RunDifference(
        one=one,
        other=other,
        causes=tuple(step for step in differing.values() if not step.because),
        followed=tuple(step for step in differing.values() if step.because),
        same=tuple(same),
    )


def _order(one: RunTrace, other: RunTrace) -> list[StepId]:
    """Return all paths, each after what it needs in the first run, or else in the second."""
    return list(dict.fromkeys(step.path for run in (one, other) for step in run.steps))


def _compare_start(one: RunTrace, other: RunTrace) -> StepDifference | None:
    keys = sorted({*one.context, *other.context})
    what = [key for key in keys if not is_same(one.context.get(key), other.context.get(key))]
    if one.goal != other.goal:
        what.insert(0, "goal")
    if not what:
        return None
    shown = [
        {name: run.goal if name == "goal" else run.context.get(name) for name in what}
        for run in (one, other)
    ]
    return StepDifference(path=_START, kind="start", what=tuple(what), one=shown[0], other=shown[1])


def _walk(paths: Iterable[StepId]) -> Iterator[tuple[StepId, bool]]:
    """Yield each path twice: as its step begins, and as it ends, after the steps of its own team."""
    teams: dict[str, list[StepId]] = {}
    for path in paths:
        teams.setdefault(path.rpartition("/")[0], []).append(path)

    def go_through(team: str) -> Iterator[tuple[StepId, bool]]:
        for path in teams.pop(team, ()):
            yield path, False
            yield from go_through(path)
            yield path, True

    while teams:  # a team whose step is in neither plan any more comes last
        yield from go_through(next(iter(teams)))


def _compare_begin(
    path: StepId, one: StepTrace | None, other: StepTrace | None, seen: _Seen
) -> StepDifference | None:
    """Return how a step differs by how it was planned and what it was shown."""
    if one is None or other is None:
        there = "first" if other is None else "second"
        what = (f"only in the {there} run",)
        return StepDifference(path=path, kind="plan", what=what, because=_find_above(path, seen))
    return _compare_declared(one, other) or _compare_briefs(one, other, seen)


def _compare_end(
    path: StepId, one: StepTrace | None, other: StepTrace | None, seen: _Seen
) -> StepDifference | None:
    """Return how a step differs by what came of it, if it had begun equal."""
    del path
    if one is None or other is None:
        return None
    return _compare_outputs(one, other, seen) or _compare_outcomes(one, other, seen)


def _compare_declared(one: StepTrace, other: StepTrace) -> StepDifference | None:
    what = tuple(_list_differing(one.declared, other.declared))
    if not what:
        return None
    return _tell(one.path, "plan", what, one.declared, other.declared)


def _compare_briefs(one: StepTrace, other: StepTrace, seen: _Seen) -> StepDifference | None:
    if one.brief is None or other.brief is None or one.brief_hash == other.brief_hash:
        return None
    parts = [name for name in _list_differing(one.brief, other.brief) if name not in _IGNORED]
    if not parts:
        return None
    what: list[str] = []
    for part in parts:
        held = (one.brief.get(part), other.brief.get(part))
        if isinstance(held[0], dict) and isinstance(held[1], dict):
            what += [f"{part}.{name}" for name in _list_differing(held[0], held[1])]
        else:
            what.append(part)
    because = _find_because(one, what, seen)
    kind: DifferenceKind = "upstream" if because else "brief"
    return StepDifference(
        path=one.path,
        kind=kind,
        what=tuple(what),
        because=because,
        one={name: _pick(one.brief, name) for name in what},
        other={name: _pick(other.brief, name) for name in what},
    )


def _compare_outputs(one: StepTrace, other: StepTrace, seen: _Seen) -> StepDifference | None:
    """Return how what came of equal briefs differs; None where one of them was never given."""
    if one.brief is None or other.brief is None:
        return None
    if one.output_hash != other.output_hash:
        return StepDifference(
            path=one.path,
            kind="output",
            what=("output",) if one.worker == other.worker else ("worker", "output"),
            because=_list_within(one.path, seen),
            one=one.output,
            other=other.output,
        )
    if (one.verdict, one.failed) != (other.verdict, other.failed):
        shown = [{"verdict": side.verdict, "failed": list(side.failed)} for side in (one, other)]
        return _tell(one.path, "verdict", ("verdict",), shown[0], shown[1])
    return None


def _compare_outcomes(one: StepTrace, other: StepTrace, seen: _Seen) -> StepDifference | None:
    sides = [{"status": side.status, "attempts": side.attempts} for side in (one, other)]
    what = tuple(_list_differing(sides[0], sides[1]))
    if not what:
        return None
    # A step before it does not change how often a step tries what it was shown in both.
    behind = _list_behind(one, seen) if "status" in what else ()
    return StepDifference(
        path=one.path,
        kind="outcome",
        what=what,
        because=(*behind, *_list_within(one.path, seen)),
        one=sides[0],
        other=sides[1],
    )


def _find_because(step: StepTrace, what: Iterable[str], seen: _Seen) -> tuple[StepId, ...]:
    """Return the differing steps, or the start, that a brief's differences come from."""
    found: list[StepId] = []
    for name in what:
        part, _, key = name.partition(".")
        sources: Sequence[StepId] = ()
        if part == "inputs":
            sources = (_find_source(step, key),)
        elif part == "context":
            sources = seen.publishers.get(key, ())
        found += [path for path in sources if path in seen.differing]
        start = seen.differing.get(_START)
        if part == "context" and start is not None and key in start.what:
            found.append(_START)
    return tuple(dict.fromkeys(found)) or _list_behind(step, seen) or _find_above(step.path, seen)


def _find_source(step: StepTrace, name: str) -> StepId:
    """Return the step that an input is read from; its path if there is one."""
    declared = step.declared.get("inputs")
    read = declared.get(name) if isinstance(declared, Mapping) else name
    above, mark, _ = step.path.rpartition("/")
    return StepId(f"{above}{mark}{str(read).partition('.')[0]}")


def _find_above(path: StepId, seen: _Seen) -> tuple[StepId, ...]:
    """Return the step whose team a step is of, if that one differs as it begins."""
    above = StepId(path.rpartition("/")[0])
    return (above,) if above and above in seen.differing else ()


def _list_within(path: StepId, seen: _Seen) -> tuple[StepId, ...]:
    """Return the steps of a step's own team that differ."""
    return tuple(
        step
        for step in seen.differing
        if step.startswith(f"{path}/") and "/" not in step[len(path) + 1 :]
    )


def _list_behind(step: StepTrace, seen: _Seen) -> tuple[StepId, ...]:
    """Return the steps that a step waits for and that differ."""
    return tuple(need for need in step.needs if need in seen.differing)


def _index_publishers(*runs: RunTrace) -> Mapping[str, list[StepId]]:
    """Return by context key the steps that publish it."""
    found: dict[str, list[StepId]] = {}
    for run in runs:
        for step in run.steps:
            for key in step.declared.get("publishes") or ():
                found.setdefault(key, []).append(step.path)
    return found


def _list_differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys((*one, *other)):
        if name not in one or name not in other or not is_same(one[name], other[name]):
            yield name


def _pick(brief: Mapping[str, Plain], name: str) -> Plain:
    part, _, key = name.partition(".")
    held = brief.get(part)
    return held.get(key) if key and isinstance(held, dict) else held


def _tell(
    path: StepId,
    kind: DifferenceKind,
    what: tuple[str, ...],
    one: Mapping[str, Plain],
    other: Mapping[str, Plain],
) -> StepDifference:
    return StepDifference(
        path=path,
        kind=kind,
        what=what,
        one={name: one.get(name) for name in what},
        other={name: other.get(name) for name in what},
    )
