"""Time and CPU of a measurement, the same way for every contender."""

import gc
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Elapsed:
    """What passed since a stopwatch was started.

    Attributes:
        wall_seconds: On the clock.
        cpu_seconds: Of this process, all threads; a database server's is not in it.
    """

    wall_seconds: float
    cpu_seconds: float


class Stopwatch:
    """Started when it is made; may be read more than once."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def read(self) -> Elapsed:
        """Return what has passed."""
        return Elapsed(
            wall_seconds=time.perf_counter() - self._wall,
            cpu_seconds=time.process_time() - self._cpu,
        )


def set_heap_aside() -> None:
    """Leave what is loaded by now out of garbage collection, for every contender alike."""
    gc.collect()
    gc.freeze()
