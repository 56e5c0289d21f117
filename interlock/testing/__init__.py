"""Public fakes for tests of teams: time, models and faults that a test holds in its hand."""

from interlock.testing.fault_injector import FaultInjector
from interlock.testing.injected_faults import (
    FaultKind,
    InjectedError,
    InjectedRateLimitError,
    Injection,
    LostAnswerError,
    Place,
)
from interlock.testing.manual_clock import ManualClock
from interlock.testing.mast import MastMode, mast_mix, mast_modes
from interlock.testing.openai_server import OpenAIServer
from interlock.testing.redelivery import redelivery

__all__ = [
    "FaultInjector",
    "FaultKind",
    "InjectedError",
    "InjectedRateLimitError",
    "Injection",
    "LostAnswerError",
    "ManualClock",
    "MastMode",
    "OpenAIServer",
    "Place",
    "mast_mix",
    "mast_modes",
    "redelivery",
]
