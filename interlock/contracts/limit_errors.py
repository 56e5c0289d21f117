"""What a caller is told that a breaker or a rate turns away; both are transient.

A BreakerOpenError is not worth another attempt of the same worker: the step goes on with its
fallback chain.
"""

from datetime import datetime

from interlock.contracts.errors import TransientError


class BreakerOpenError(TransientError):
    """Something that has kept failing is left alone for now; it was not called."""

    name: str
    until: datetime
    last_failure: str | None

    def __init__(self, *, name: str, until: datetime, last_failure: str | None) -> None:
        """Name the breaker, when it lets a probe through, and what failed last."""
        super().__init__(name=name, until=until, last_failure=last_failure)

    def __str__(self) -> str:
        """Say until when, and what to do."""
        why = f"; the last failure was {self.last_failure}" if self.last_failure else ""
        return (
            f"The breaker of {self.name} is not closed: no call is let through before "
            f"{self.until:%Y-%m-%d %H:%M:%S} UTC{why}. Nothing was called. Use a fallback, or close "
            f"it with: interlock limits reset {self.name}"
        )


class RateLimitedError(TransientError):
    """The next turn is later than the caller can wait; nothing was called."""

    name: str
    retry_after_seconds: float

    def __init__(self, *, name: str, retry_after_seconds: float) -> None:
        """Name the rate, and when its next turn is."""
        super().__init__(name=name, retry_after_seconds=retry_after_seconds)

    def __str__(self) -> str:
        """Say when, and what to do."""
        return (
            f"The next call of {self.name} is due in {self.retry_after_seconds:.3g} s, which is "
            "later than can be waited here. Nothing was called. Call less often, allow more time, "
            "or raise the rate."
        )
