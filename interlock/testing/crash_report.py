"""What the crash kit found: every kill, and every promise that did not hold after it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Side: TypeAlias = Literal["before", "after"]


class CrashTestError(AssertionError):
    """A promise did not hold after a kill; the message is the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashCase:
    """One kill, and how the run went on.

    Attributes:
        side: Of the commit.
        index: Of the commit at which the process died, from 1.
        died: Whether it got there; commits in groups may be fewer than in the uninterrupted run.
        asked: Whether the run then waits for a person who says whether an effect took place.
        problems: Promises that did not hold, by number, in words.
    """

    side: Side
    index: int
    died: bool
    asked: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashReport:
    """What the crash kit found.

    Attributes:
        team: As module:attribute.
        status: How the uninterrupted run ended.
        commits: Durable writes of the uninterrupted run.
        cases: All kills, in order.
        problems: Of the uninterrupted run itself.
    """

    team: str
    status: str
    commits: int
    cases: tuple[CrashCase, ...]
    problems: tuple[str, ...] = ()

    @property
    def kills(self) -> int:
        """How often a process was killed."""
        return sum(case.died for case in self.cases)

    @property
    def is_clean(self) -> bool:
        """Whether every promise held."""
        return not self.problems and not any(case.problems for case in self.cases)

    def require_clean(self) -> None:
        """Return if every promise held.

        Raises:
            CrashTestError: One did not.
        """
        if not self.is_clean:
            raise CrashTestError(str(self))

    def dump(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {**asdict(self), "kills": self.kills, "is_clean": self.is_clean}

    def __str__(self) -> str:
        """Return the report in lines; what did not hold stands at its end."""
        asked = sum(case.asked for case in self.cases)
        broken = [case for case in self.cases if case.problems]
        kills = f"killed {self.kills} times, {len(broken)} times with a broken promise"
        lines = [f"{self.team}: {self.status} with {self.commits} durable writes; {kills}"]
        if asked:
            lines.append(f"  {asked} times a person was asked whether an effect had taken place")
        lines += [f"  uninterrupted: {problem}" for problem in self.problems]
        lines += [
            f"  killed {case.side} write {case.index}: {problem}"
            for case in broken
            for problem in case.problems
        ]
        return "\n".join(lines)
