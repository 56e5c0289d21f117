"""interlock: teams of LangGraph agents whose every handoff is validated."""
