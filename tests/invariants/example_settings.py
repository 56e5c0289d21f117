"""How many examples Hypothesis draws, and how: the same ones every time, and no shrinking.

An example is a run or several and takes tens of milliseconds, so that shrinking would take
minutes; what failed is printed as it was drawn. CI draws half of them; all, and as many more as it
says, with `INTERLOCK_EXAMPLES=2` in the environment.
"""

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
_PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.target]


def draw_examples(count: int, **options: Any) -> settings:
    """Return the settings of a test that draws that many examples, or half of them."""
    share = float(os.environ.get("INTERLOCK_EXAMPLES", "0.5"))
    return settings(
        max_examples=max(1, round(count * share)),
        **{
            "deadline": None,
            "derandomize": True,
            "phases": _PHASES,
            "suppress_health_check": _QUIET,
            **options,
        },
    )
