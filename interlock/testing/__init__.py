"""Public fakes for tests of teams: time that a test holds in its hand, calls that come twice."""

from interlock.testing.manual_clock import ManualClock
from interlock.testing.openai_server import OpenAIServer
from interlock.testing.redelivery import redelivery

__all__ = ["ManualClock", "OpenAIServer", "redelivery"]
