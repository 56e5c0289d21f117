"""Public fakes for tests of teams: time, models and faults that a test holds in its hand."""

from interlock.testing.crash_kit import CrashPlan, crash_test
from interlock.testing.crash_report import CrashCase, CrashReport, CrashTestError
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
from interlock.testing.recorded import load_recording, replay_recording
from interlock.testing.redelivery import redelivery
from interlock.testing.script import ScriptedCall, UnexpectedCallError
from interlock.testing.scripted_model import ScriptedModel
from interlock.testing.scripted_replies import ModelReply

__all__ = [
    "CrashCase",
    "CrashPlan",
    "CrashReport",
    "CrashTestError",
    "FaultInjector",
    "FaultKind",
    "InjectedError",
    "InjectedRateLimitError",
    "Injection",
    "LostAnswerError",
    "ManualClock",
    "MastMode",
    "ModelReply",
    "OpenAIServer",
    "Place",
    "ScriptedCall",
    "ScriptedModel",
    "UnexpectedCallError",
    "crash_test",
    "load_recording",
    "mast_mix",
    "mast_modes",
    "redelivery",
    "replay_recording",
]
