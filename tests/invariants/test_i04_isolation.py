"""I4: a worker is shown its brief and nothing else; the journal holds the brief's hash."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from typing_extensions import TypedDict

import interlock as il
from tests.integration.scripted_chat import ScriptedChat, call_tools
from tests.integration.teams import Recorder, build_desk, build_plan, build_step
from tests.invariants.canaries import Probe, find_canaries

RUN_CONTEXT = {"tenant": "canary-run-tenant", "secret": "canary-run-secret"}
SOURCE_OUTPUT = {
    "shown": "canary-source-shown",
    "hidden": "canary-source-hidden",
    "fact": "canary-source-fact",
    "other": "canary-source-other",
}
SHOWN = {
    "canary-probe-instruction",
    "canary-probe-argument",
    "canary-source-shown",
    "canary-source-fact",
    "canary-run-tenant",
}
"""All that the brief of the step `probe` holds."""


async def work_source(brief: il.Brief) -> Any:
    """Leave a note, be refused once, then give all canaries."""
    brief.scratchpad.append("canary-source-note")
    return SOURCE_OUTPUT if brief.attempt == 2 else {**SOURCE_OUTPUT, "fact": "canary-source-bad"}


async def work_beside(brief: il.Brief) -> Any:
    """Fail, so that a person decides."""
    brief.scratchpad.append("canary-beside-note")
    raise ValueError("canary-beside-error")


def build_steps(**fields: Any) -> list[il.Step]:
    """Return the plan: a source, a step that a person settles, the probe, and one after it."""
    return [
        build_step(
            "source",
            instruction="canary-source-instruction",
            arguments={"given": "canary-source-argument"},
            criteria=[il.expr("output.fact == 'canary-source-fact'", message="canary-source-hint")],
            retry=il.Retry(max_attempts=2),
            publishes={"fact": "output.fact", "other": "output.other"},
        ),
        build_step("beside", instruction="canary-beside-instruction", fallback=[il.ask_person()]),
        build_step(
            "probe",
            instruction="canary-probe-instruction",
            arguments={"given": "canary-probe-argument"},
            needs=["source", "beside"],
            inputs={"shown": "source.shown"},
            context=["fact", "tenant"],
            **fields,
        ),
        build_step("after", instruction="canary-after-instruction", needs=["probe"], inputs={}),
    ]


class BriefState(TypedDict, total=False):
    brief: dict[str, Any]
    output: Any


def build_async_function(probe: Probe) -> Any:
    """Return an async function that looks."""

    async def work(brief: il.Brief) -> str:
        await probe.alook(brief)
        return "seen"

    return work


def build_sync_function(probe: Probe) -> Any:
    """Return a sync function, run in a thread of its own, that looks."""

    def work(brief: il.Brief) -> str:
        probe.look(brief)
        return "seen"

    return work


def build_runnable(probe: Probe) -> Any:
    """Return a Runnable that looks at the config it is handed too."""

    async def work(brief: il.Brief, config: RunnableConfig) -> str:
        await probe.alook([brief, config])
        return "seen"

    return RunnableLambda(work)


def build_graph(probe: Probe) -> Any:
    """Return a compiled graph that looks from its node and from a graph inside it."""

    async def node(state: BriefState, config: RunnableConfig) -> BriefState:
        await probe.alook([state, config])
        return {"output": "seen"}

    graph = StateGraph(BriefState)
    graph.add_node("inner", build_inner_graph(probe))
    graph.add_node("node", node)
    graph.add_edge(START, "inner")
    graph.add_edge("inner", "node")
    graph.add_edge("node", END)
    return graph.compile()


def build_inner_graph(probe: Probe) -> Any:
    """Return the graph inside."""

    async def deep(state: BriefState, config: RunnableConfig) -> BriefState:
        await probe.alook([state, config])
        return {}

    graph = StateGraph(BriefState)
    graph.add_node("deep", deep)
    graph.add_edge(START, "deep")
    graph.add_edge("deep", END)
    return graph.compile()


def build_messages_graph(probe: Probe) -> Any:
    """Return a messages-style graph that looks."""

    async def node(state: MessagesState) -> MessagesState:
        await probe.alook(state)
        return {"messages": [("ai", "seen")]}

    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile()


def build_tool_agent(probe: Probe) -> Any:
    """Return an agent of LangChain's that looks from its tool and from its model."""

    @tool
    async def look() -> str:
        """Look around."""
        await probe.alook()
        return "looked"

    class ListeningChat(ScriptedChat):
        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            probe.look(messages)
            return super()._generate(messages, *args, **kwargs)

    return create_agent(ListeningChat(turns=[call_tools(look={}), "seen"]), tools=[look])


def build_task_function(probe: Probe) -> Any:
    """Return a worker that looks from a LangGraph task, which is lent a config of its own."""

    @task
    async def look() -> None:
        await probe.alook()

    async def work(brief: il.Brief) -> str:
        await probe.alook(brief)
        await look()
        return "seen"

    return work


def build_entrypoint(probe: Probe) -> Any:
    """Return a graph in LangGraph's functional form that looks, from a task too."""

    @task
    async def look() -> None:
        await probe.alook()

    @entrypoint()
    async def work(shown: Any) -> str:
        await probe.alook(shown)
        await look()
        return "seen"

    return work


def build_team(probe: Probe) -> Any:
    """Return a nested team; its worker sees what its own step declares."""
    step = build_step(
        "deep",
        instruction="canary-probe-instruction",
        arguments={"given": "canary-probe-argument"},
        context=["shown", "fact", "tenant"],
    )
    return build_desk({"deep": build_async_function(probe)}, planner=build_plan(step))


KINDS: dict[str, Callable[[Probe], Any]] = {
    "async function": build_async_function,
    "sync function": build_sync_function,
    "runnable": build_runnable,
    "graph in a graph": build_graph,
    "messages graph": build_messages_graph,
    "agent with a tool": build_tool_agent,
    "function with a task": build_task_function,
    "entrypoint": build_entrypoint,
    "team": build_team,
}


async def run_beside_others(desk: il.Orchestrator, probe: Probe) -> il.RunResult:
    """Finish a run on another thread, then one that the probe looks at from inside."""
    for thread_id in ("other", "t"):
        waiting = await desk.ainvoke("canary-run-goal", thread_id=thread_id, context=RUN_CONTEXT)
        saver = desk.graph.checkpointer
        async for found in saver.alist({"configurable": {"thread_id": thread_id}}):
            place = found.config["configurable"]
            probe.places.append((thread_id, place["checkpoint_ns"]))
        probe.places = sorted(set(probe.places))
        (question,) = waiting.questions
        answer = {question.id: il.edit("canary-beside-edited")}
        result = await desk.aanswer(thread_id, answer)
    return result


@pytest.mark.parametrize("kind", KINDS)
async def test_i04_a_worker_reaches_its_brief_and_nothing_else(kind: str) -> None:
    """I4: of all data about, only the brief's can be found from inside a worker of any kind."""
    probe = Probe()
    agents = {
        "source": work_source,
        "beside": work_beside,
        "probe": KINDS[kind](probe),
        "after": Recorder("canary-after-output"),
    }
    async with build_desk(agents, *build_steps()) as desk:
        result = await run_beside_others(desk, probe)
        handoffs = await desk.ahandoffs("t")
    assert result.status == "completed", result.outcomes["probe"].reason
    assert probe.seen == SHOWN
    assert probe.looks >= 2
    assert probe.refusals > 0
    everything = find_canaries(result.model_dump(), [h.payload for h in handoffs])
    assert {"canary-source-hidden", "canary-beside-error", "canary-beside-edited"} <= everything


async def test_i04_no_brief_holds_what_another_step_keeps() -> None:
    """I4: what the journal says was shown is what each step declared."""
    agents = {
        "source": work_source,
        "beside": work_beside,
        "probe": Recorder("canary-probe-output"),
        "after": Recorder("canary-after-output"),
    }
    async with build_desk(agents, *build_steps()) as desk:
        await run_beside_others(desk, Probe())
        briefs = [h for h in await desk.ahandoffs("t") if h.kind == "brief"]
    source = {f"canary-source-{part}" for part in ("instruction", "argument", "hint", "fact")}
    # what was wrong, with what was seen, and the note of the first attempt
    again = {"canary-source-bad", "canary-source-note"}
    found = {(h.step_id, h.attempt): find_canaries(h.payload) for h in briefs}
    assert found.pop(("source", 2)) - again <= source
    assert found == {
        ("source", 1): source,
        ("beside", 1): {"canary-beside-instruction"},
        ("probe", 1): SHOWN,
        ("after", 1): {"canary-after-instruction"},
    }


def hash_shown(shown: dict[str, Any]) -> str:
    """Return the SHA-256 of a plain value's canonical JSON, worked out here."""
    text = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("kind", ["function", "sync function", "graph"])
async def test_i04_the_journal_holds_the_hash_of_what_was_shown(kind: str) -> None:
    """I4: the brief's hash is of the very values that the worker got, at every attempt."""
    shown: list[dict[str, Any]] = []
    hashes: list[str] = []

    def note(brief: il.Brief) -> str:
        shown.append(brief.dump())
        hashes.append(brief.derive_hash())
        brief.scratchpad.append("tried é")
        return "good" if brief.attempt == 3 else "bad"

    async def note_async(brief: il.Brief) -> str:
        return note(brief)

    def node(state: BriefState) -> BriefState:
        shown.append(state["brief"])
        hashes.append(hash_shown(state["brief"]))
        return {"output": "good" if state["brief"]["attempt"] == 3 else "bad"}

    graph = StateGraph(BriefState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    agents = {"function": note_async, "sync function": note, "graph": graph.compile()}
    steps = build_steps(criteria=[il.expr("output == 'good'")], retry=il.Retry(max_attempts=3))
    team = {
        "source": work_source,
        "beside": work_beside,
        "probe": agents[kind],
        "after": Recorder(),
    }
    async with build_desk(team, *steps) as desk:
        await run_beside_others(desk, Probe())
        rows = [h for h in await desk.ahandoffs("t", "probe") if h.kind == "brief"]
    mine, hashes = shown[3:], hashes[3:]
    assert [row.payload for row in rows] == mine
    assert [row.payload_hash for row in rows] == hashes == [hash_shown(each) for each in mine]
    assert len(set(hashes)) == 3
    assert mine[0]["inputs"] == {"shown": "canary-source-shown", "given": "canary-probe-argument"}
    assert mine[0]["context"] == {"fact": "canary-source-fact", "tenant": "canary-run-tenant"}


async def test_i04_a_scratchpad_is_read_by_its_own_worker_only() -> None:
    """I4: notes come back at the worker's next attempt, and never to the worker after it."""
    read: list[tuple[str, list[str]]] = []

    def build(name: str) -> Any:
        async def work(brief: il.Brief) -> str:
            read.append((name, list(brief.scratchpad)))
            brief.scratchpad.append(f"canary-{name}-note{'x' * brief.attempt}")
            return "bad" if name == "first" or brief.attempt < 4 else "good"

        return work

    step = build_step(
        "step",
        "first",
        criteria=[il.expr("output == 'good'")],
        retry=il.Retry(max_attempts=2),
        fallback=[il.use_worker("second")],
    )
    agents = {"first": build("first"), "second": build("second")}
    async with build_desk(agents, step) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        briefs = [h.payload["scratchpad"] for h in await desk.ahandoffs("t") if h.kind == "brief"]
    assert result.status == "completed"
    assert read == [
        ("first", []),
        ("first", ["canary-first-notex"]),
        ("second", []),
        ("second", ["canary-second-notexxx"]),
    ]
    assert briefs == [notes for _, notes in read]
