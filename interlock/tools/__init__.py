"""Idempotent tool calls: keys, the guard, undo, and the tools of LangChain and HTTP behind it."""
