"""The facade a user holds: starts, resumes, answers, streams and stops runs."""

from interlock.orchestrator.declare import build_run_graph
from interlock.orchestrator.facade import Orchestrator
from interlock.orchestrator.status import ThreadStatus
from interlock.orchestrator.task_graph_file import load_task_graph
from interlock.orchestrator.thread_reading import load_status

__all__ = ["Orchestrator", "ThreadStatus", "build_run_graph", "load_status", "load_task_graph"]
