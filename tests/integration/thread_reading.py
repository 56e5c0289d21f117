"""What must hold of every thread that something went wrong on: it can still be read."""

import interlock as il


async def read_thread(desk: il.Orchestrator, thread_id: str) -> il.ThreadStatus:
    """Return a thread's status, having read its journal and its inbox too.

    Fails if the journal repeats a handoff or orders an output before its brief.
    """
    status = await desk.astatus(thread_id)
    handoffs = await desk.ahandoffs(thread_id)
    assert len(handoffs) == status.handoffs == len({handoff.id for handoff in handoffs})
    briefed: set[tuple[object, int]] = set()
    for handoff in handoffs:
        if handoff.kind == "brief":
            briefed.add((handoff.step_id, handoff.attempt))
        elif handoff.kind == "output" and handoff.sender != "person":
            assert (handoff.step_id, handoff.attempt) in briefed
    assert tuple(await desk.aquestions(thread_id)) == tuple(status.questions)
    return status


async def resume_twice(desk: il.Orchestrator, thread_id: str) -> il.RunResult:
    """Return a finished thread's result, having resumed it twice with no difference."""
    first = await desk.aresume(thread_id)
    assert await desk.aresume(thread_id) == first
    return first
