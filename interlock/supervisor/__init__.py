"""A routing supervisor with the call shape of langgraph-supervisor."""

from interlock.supervisor.create import create_supervisor
from interlock.supervisor.handoff_tools import create_forward_message_tool, create_handoff_tool

__all__ = ["create_forward_message_tool", "create_handoff_tool", "create_supervisor"]
