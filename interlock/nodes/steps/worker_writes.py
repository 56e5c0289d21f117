"""What a worker may write into the graph that it runs in: nothing but taken answers (I1).

LangGraph lends every node a function that writes to its graph's channels, edges included. Its
`interrupt()` notes through it which answers a node has taken; a worker could use it to send the
step past its review.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

_RESUME: Final = "__resume__"
_LOG = logging.getLogger(__name__)

Send = Callable[[Sequence[tuple[str, Any]]], None]


def limit_writes(send: Send) -> Send:
    """Return a function that lets taken answers pass, and drops and logs all else."""

    def send_answers(writes: Sequence[tuple[str, Any]]) -> None:
        kept = [(channel, value) for channel, value in writes if channel == _RESUME]
        if len(kept) < len(writes):
            dropped = sorted({channel for channel, _ in writes if channel != _RESUME})
            _LOG.warning("A worker's writes to %s were dropped: its output is all.", dropped)
        send(kept)

    return send_answers
