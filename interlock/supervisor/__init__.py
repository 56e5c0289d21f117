"""A routing supervisor with the call shape of langgraph-supervisor."""
