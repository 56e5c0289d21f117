"""What of LangGraph's config one step's graph is lent: its own namespace, its own answers (I4).

LangGraph hands a node's whole config on to whatever the node calls: the saver of the thread, and
every value that the run was resumed with. Called by dispatch, inside the step's task.
"""

from typing import Any, Final

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from interlock.nodes.steps.scoped_saver import CHECKPOINTER, ScopedSaver

_INTERRUPT: Final = "__interrupt__"
_RESUME_MAP: Final = "__pregel_resume_map"


async def lend_config() -> None:
    """Narrow the calling task's config to its step; what it calls from now on gets no more.

    A worker's `@task` is lent what the step graph has, not what its worker has. The saver is ours
    in its relaxed form: the step graph's own nodes touch nothing outside, what must be durable
    before a worker starts is flushed there, and a settlement is committed with all that was
    queued before it. What lies below, such as a graph in a worker's `@task`, is stored as ever.
    """
    config = var_child_runnable_config.get()
    conf = dict((config or {}).get("configurable", {}))
    saver = conf.get(CHECKPOINTER)
    if config is None or saver is None:
        return
    namespace = conf.get("checkpoint_ns", "")
    scoped = ScopedSaver(
        getattr(saver, "relaxed", saver),
        thread_id=conf["thread_id"],
        namespace=namespace,
        below=saver,
    )
    conf[CHECKPOINTER] = scoped
    answers: dict[str, Any] | None = conf.get(_RESUME_MAP)
    if answers:
        asked = await _list_asked(scoped, conf["thread_id"], namespace)
        conf[_RESUME_MAP] = {key: value for key, value in answers.items() if key in asked}
    var_child_runnable_config.set({**config, "configurable": conf})


async def _list_asked(saver: ScopedSaver, thread_id: str, namespace: str) -> set[str]:
    """Return the ids of the interrupts that the step waits in."""
    place: RunnableConfig = {
        "configurable": {"thread_id": thread_id, "checkpoint_ns": namespace},
    }
    found = await saver.aget_tuple(place)
    writes = found.pending_writes or () if found is not None else ()
    return {
        interrupt.id
        for _, channel, interrupts in writes
        if channel == _INTERRUPT
        for interrupt in interrupts
    }
