"""What a person has asked of the planner of a run that was about to end."""

from interlock.contracts.ids import ThreadId
from interlock.contracts.plan import TaskGraph
from interlock.nodes.run.run_state import RunState
from interlock.nodes.run.team import Team


async def take_request(team: Team, state: RunState, thread_id: ThreadId) -> RunState:
    """Return what changes if a person has asked for another plan and was not heard yet.

    Looked up once, when all steps have settled and the run would end: each request is one
    question to the planner, the oldest first. Requests are for the run's own planner, not for those
    of nested teams; a fixed plan has none to ask.
    """
    is_asked = not state["scope"] and not isinstance(team.spec.planner, TaskGraph)
    if not is_asked or state["plan_status"] != "accepted" or state.get("plan_gap") is not None:
        return RunState()
    storage = await team.open_storage()
    heard = state.get("replan_heard", [])
    for request in await storage.load_replan_requests(thread_id):
        if request.id not in heard:
            return RunState(
                route="planner",
                replan_why=str(request.payload["why"]),
                replan_heard=[*heard, request.id],
            )
    return RunState()
