"""Public fakes for tests of teams: time that a test holds in its hand."""

from interlock.testing.manual_clock import ManualClock

__all__ = ["ManualClock"]
