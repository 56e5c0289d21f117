"""One call of an agent, in a run or in a replay: what LangGraph would let it do beside its output.

Only the supervisor sends a run on (I1), and a pause that a worker has asked for is never swallowed.
"""

from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langgraph.errors import ParentCommand

from interlock.contracts.brief import Brief
from interlock.contracts.errors import PermanentError, TransientError
from interlock.nodes.steps.agent_call import AgentResult, CallAgent

_SCRATCHPAD: Final = "__pregel_scratchpad"


async def call_once(call_agent: CallAgent, brief: Brief, config: RunnableConfig) -> AgentResult:
    """Return what the agent gave; a Command for the graph around it is a failure (I1)."""
    try:
        result = await call_agent(brief, config)
    except ParentCommand as exc:
        goto = getattr(exc.args[0], "goto", None) if exc.args else None
        words = (
            f"The worker tried to send the run on to {goto!r}. Only the supervisor does that: "
            "return an output, not a Command for the parent graph."
        )
        return AgentResult(failure=TransientError(words))
    _refuse_swallowed_interrupt(config)
    return result


def _refuse_swallowed_interrupt(config: RunnableConfig) -> None:
    """Fail loudly if the worker asked a person and then caught the pause itself.

    LangGraph counts `interrupt()` calls of a task; more calls than answers means that one of
    them raised, and that the worker went on all the same.
    """
    scratchpad: Any = config.get("configurable", {}).get(_SCRATCHPAD)
    if scratchpad is not None and scratchpad.interrupt_counter() > len(scratchpad.resume):
        raise PermanentError(
            "The worker called interrupt() and caught the pause in a broad `except`. Catch named "
            "errors only, and let langgraph.errors.GraphBubbleUp through."
        )
