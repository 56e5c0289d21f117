"""Characters that models are sent in jobs of 10, 50 and 200 steps; counted, not timed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from interlock.bench.context_contenders import CONTENDERS, Sent

SIZES: Final = (10, 50, 200)
OURS: Final = ("interlock plan", "il.create_supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRow:
    """What one contender's models were sent, by the number of steps.

    Attributes:
        contender: Its name.
        sent: Number of steps to characters.
    """

    contender: str
    sent: dict[int, Sent]

    def dump(self) -> dict[str, object]:
        """Return the figures for a program."""
        return {
            "contender": self.contender,
            "sent": {str(steps): asdict(sent) for steps, sent in self.sent.items()},
        }


def measure_context(
    sizes: Sequence[int], *, tell: Callable[[str, int], object]
) -> Sequence[ContextRow]:
    """Do the job in all ways and sizes.

    Args:
        sizes: Numbers of steps.
        tell: Told of each job before it begins.

    Raises:
        ConfigurationError: A contender is not installed, or did not do the job.
    """
    return asyncio.run(_measure(sizes, tell))


async def _measure(
    sizes: Sequence[int], tell: Callable[[str, int], object]
) -> Sequence[ContextRow]:
    rows: list[ContextRow] = []
    for name, run in CONTENDERS.items():
        sent: dict[int, Sent] = {}
        for steps in sizes:
            tell(name, steps)
            sent[steps] = await run(steps)
        rows.append(ContextRow(contender=name, sent=sent))
    return rows


def list_misses(rows: Sequence[ContextRow]) -> Sequence[str]:
    """Return where one of ours sends a worker more because more steps went before, in words."""
    return [
        f"{row.contender} sent its last worker {sorted(counts)} characters, by the number of steps"
        for row in rows
        if row.contender in OURS
        and len(counts := {sent.last_worker for sent in row.sent.values()}) > 1
    ]
