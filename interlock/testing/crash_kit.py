"""The crash kit: runs your team, kills it at every durable write, and checks the promises.

Each life is a real process, killed with SIGKILL right before or right after a commit. It is then
resumed, and compared with a run that nobody disturbed:

* I5: no effect happens twice, neither by the ledger nor, where you let it look, outside.
* I6: the same final state, and no settled step runs again.
* I8: no worker had started whose brief is not in the journal.
* I9: a run that has ended stays as it ended.
* I11: all lives together stay within the budget.

The team works in a folder of its own for each kill: whatever it changes under a relative path is
new each time.
"""

import json
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Final

from interlock.contracts.errors import ConfigurationError
from interlock.testing.crash_life import LifeOrder
from interlock.testing.crash_report import CrashCase, CrashReport, Side
from interlock.testing.crash_zygote import Zygote

__all__ = ["CrashPlan", "CrashReport", "crash_test"]

_SAME: Final = ("status", "outputs", "gaps", "steps", "effects")


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPlan:
    """How a team is tested.

    Attributes:
        goal: What its run is for.
        context: The shared context that it starts with.
        answer: Answers its questions, as module:attribute of a function from a question to an
            answer or None. Left out, they stay open, and the run is compared as it waits.
        observe: Returns what the team has changed outside, as module:attribute of a function
            without arguments, called in the folder that the team works in.
        storage: A PostgreSQL URL; a SQLite file for each kill if left out.
        every: Kill at every so many writes only.
        max_kills: Kill so often at most, spread evenly over the run; with 0 it is only run whole.
        sides: Of each write.
        compare_outputs: Whether outputs must be those of the uninterrupted run; turn it off for
            workers that say something else each time.
        timeout_seconds: How long one life may take.
    """

    goal: str
    context: Mapping[str, Any] | None = None
    answer: str | None = None
    observe: str | None = None
    storage: str | None = None
    every: int = 1
    max_kills: int | None = None
    sides: Sequence[Side] = ("before", "after")
    compare_outputs: bool = True
    timeout_seconds: float = 60.0


def crash_test(team: str, plan: CrashPlan | str) -> CrashReport:
    """Run a team, kill it at every durable write in turn, resume it, and report.

    Costs a run and a resume a kill; blocks until all is done.

    Args:
        team: As module:attribute, importable where you stand.
        plan: How; a text is the goal, all else as it is by default.

    Raises:
        CrashKitError: A life failed by itself; the message says how.
        ConfigurationError: The team cannot be tested here, or not so.
    """
    chosen = CrashPlan(goal=plan) if isinstance(plan, str) else plan
    if chosen.every < 1 or (chosen.max_kills or 0) < 0:
        raise ConfigurationError(
            f"A crash plan has every={chosen.every!r} and max_kills={chosen.max_kills!r}. Give "
            "every at least 1, and max_kills at least 0 or not at all."
        )
    with tempfile.TemporaryDirectory(prefix="interlock-crash-") as folder, Zygote() as zygote:
        return _Tester(team, chosen, Path(folder), zygote).test()


class _Tester:
    def __init__(self, team: str, plan: CrashPlan, folder: Path, zygote: Zygote) -> None:
        self._team = team
        self._plan = plan
        self._folder = folder
        self._zygote = zygote
        self._mark = secrets.token_hex(4)

    def test(self) -> CrashReport:
        order = self._build_order("whole")
        self._live(order)
        whole = _read_result(order)
        return CrashReport(
            team=self._team,
            status=whole["status"],
            commits=whole["commits"],
            cases=tuple(self._crash(side, index, whole) for index, side in self._choose(whole)),
            problems=tuple(_list_broken(whole)),
        )

    def _choose(self, whole: dict[str, Any]) -> Sequence[tuple[int, Side]]:
        plan = self._plan
        indices = range(1, whole["commits"] + 1, plan.every)
        chosen = list(product(indices, plan.sides))
        if plan.max_kills is None or len(chosen) <= plan.max_kills:
            return chosen
        gap = len(chosen) / max(plan.max_kills, 1)
        return [chosen[int(place * gap)] for place in range(plan.max_kills)]

    def _crash(self, side: Side, index: int, whole: dict[str, Any]) -> CrashCase:
        order = self._build_order(f"{side}-{index}")
        died = self._live(replace(order, side=side, index=index))
        if died:
            self._live(order)
        result = _read_result(order)
        asked = "effect" in result["questions"] and "effect" not in whole["questions"]
        problems = _list_broken(result)
        if not asked:
            problems += self._compare(result, whole)
        return CrashCase(side=side, index=index, died=died, asked=asked, problems=tuple(problems))

    def _compare(self, result: dict[str, Any], whole: dict[str, Any]) -> list[str]:
        names = [name for name in _SAME if name != "outputs" or self._plan.compare_outputs]
        numbers = {"effects": "I5"}
        problems = [
            f"{numbers.get(name, 'I6')}: {name}: {_tell_apart(result[name], whole[name])}"
            for name in names
            if result[name] != whole[name]
        ]
        if result["observed"] != whole["observed"]:
            problems.append(
                f"I5: outside there is {_shorten(result['observed'])}, and after the uninterrupted "
                f"run {_shorten(whole['observed'])}"
            )
        return problems + _list_doubled(result["journal"], whole["journal"])

    def _live(self, order: LifeOrder) -> bool:
        return self._zygote.run(order, timeout_seconds=self._plan.timeout_seconds)

    def _build_order(self, name: str) -> LifeOrder:
        work, notes = self._folder / name / "work", self._folder / name / "kit"
        work.mkdir(parents=True)
        notes.mkdir()
        plan = self._plan
        return LifeOrder(
            team=self._team,
            goal=plan.goal,
            context=None if plan.context is None else dict(plan.context),
            url=plan.storage or f"sqlite:///{notes / 'run.db'}",
            thread_id=f"crash-{self._mark}-{name}" if plan.storage else "crash-test",
            work=str(work),
            notes=str(notes),
            answer=plan.answer,
            observe=plan.observe,
        )


def _read_result(order: LifeOrder) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((Path(order.notes) / "result.json").read_text())
    return result


def _list_broken(result: dict[str, Any]) -> list[str]:
    """Return which promises a run has broken by itself, without looking at another."""
    return [*result["problems"], *result["spent"]]


def _list_doubled(journal: dict[str, int], whole: dict[str, int]) -> list[str]:
    """Return what stands in the journal more often than in the uninterrupted run's (I8).

    Whatever is not in that at all is another attempt, which the steps' comparison tells.
    """
    return [
        f"I8: {what} stands in the journal {count} times, and in the uninterrupted run's {whole[what]}"
        for what, count in journal.items()
        if count > whole.get(what, count)
    ]


def _tell_apart(value: Any, whole: Any) -> str:  # noqa: ANN401 - plain values
    """Return both in words; of two mappings only what differs."""
    if isinstance(value, dict) and isinstance(whole, dict):
        differing = {key for key in {*value, *whole} if value.get(key) != whole.get(key)}
        value = {key: one for key, one in value.items() if key in differing}
        whole = {key: one for key, one in whole.items() if key in differing}
    return f"{_shorten(value)}, and in the uninterrupted run {_shorten(whole)}"


def _shorten(value: object) -> str:
    words = json.dumps(value, ensure_ascii=False, default=str)
    return words if len(words) <= 200 else f"{words[:200]}..."  # noqa: PLR2004 - a line or two
