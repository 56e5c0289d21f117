"""The facade a user holds: starts, resumes, answers, streams and stops runs."""

from interlock.orchestrator.declare import build_run_graph
from interlock.orchestrator.facade import Orchestrator
from interlock.orchestrator.status import ThreadStatus

__all__ = ["Orchestrator", "ThreadStatus", "build_run_graph"]
