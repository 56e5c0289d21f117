"""The two runs that are recorded, and what of their end is kept beside the tape."""

from typing import Any

from langchain_core.language_models import BaseChatModel

from interlock.contracts.clock import Clock
from tests.models.real_model.real_team import GOAL, QUESTION, build_app, build_desk


async def run_team(
    model: BaseChatModel, *, thread_id: str = "t17", clock: Clock | None = None
) -> dict[str, Any]:
    """Have the team plan, look up, write and judge; return how it ended, as plain values."""
    async with build_desk(model, clock=clock) as desk:
        result = await desk.ainvoke(GOAL, thread_id=thread_id)
        handoffs = await desk.ahandoffs(thread_id)
    judged = [
        {
            "step": str(handoff.step_id),
            "action": handoff.verdict.action,
            "findings": [
                finding.model_dump(mode="json", include={"criterion", "passed", "evidence"})
                for finding in handoff.verdict.findings
            ],
        }
        for handoff in handoffs
        if handoff.kind == "output" and handoff.verdict is not None
    ]
    kept = result.model_dump(mode="json", include={"status", "outputs", "usage"})
    return {**kept, "judged": judged}


async def run_supervisor(
    model: BaseChatModel, *, thread_id: str = "t17", clock: Clock | None = None
) -> dict[str, Any]:
    """Have the supervisor route one question; return the conversation and how it ended."""
    app = build_app(model, clock=clock)
    result = await app.ainvoke(
        {"messages": [("user", QUESTION)]}, {"configurable": {"thread_id": thread_id}}
    )
    said = [[message.name or message.type, message.text] for message in result["messages"]]
    ended = result["interlock"]
    return {"status": ended["status"], "usage": ended["usage"], "said": said}


RUNS = {"team": run_team, "supervisor": run_supervisor}
