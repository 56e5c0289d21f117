"""What watches a run must not stop it."""

import functools
import logging
from collections.abc import Callable
from typing import Final, ParamSpec

_LOGGER: Final = logging.getLogger("interlock.telemetry")

P = ParamSpec("P")


def never_raises(function: Callable[P, None]) -> Callable[P, None]:
    """Return a function that logs what another raises, and goes on."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:  # a processor, an exporter or a user's repr; the run is no less well
            _LOGGER.warning("Telemetry failed in %s.", function.__name__, exc_info=True)

    return guarded
