"""I4: what a worker notes on a step is read by that worker's later attempts there, and by people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

import interlock as il
from tests.integration.scripted_chat import ScriptedChat, call_tools
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, locate
from tests.invariants.canaries import Probe, find_canaries

NOTE = "canary-noter-note"
GOOD = [il.expr("output == 'good'")]


class BriefState(TypedDict, total=False):
    brief: dict[str, Any]
    output: Any


def list_texts(notes: Any) -> list[tuple[str, int, str]]:
    """Return who noted what, in which attempt."""
    return [(note.worker, note.attempt, note.text) for note in notes]


def build_async_function(read: list[list[str]]) -> Any:
    """Return an async function that reads its notes and adds one."""

    async def work(brief: il.Brief) -> str:
        read.append(list(brief.scratchpad))
        brief.scratchpad.append(f"{NOTE} {brief.attempt}")
        return "good" if brief.attempt == 2 else "bad"

    return work


def build_sync_function(read: list[list[str]]) -> Any:
    """Return a sync function, run in a thread of its own, that does so."""

    def work(brief: il.Brief) -> str:
        read.append(list(il.scratchpad()))
        assert list(brief.scratchpad) == read[-1]
        il.scratchpad().append(f"{NOTE} {brief.attempt}")
        return "good" if brief.attempt == 2 else "bad"

    return work


def build_runnable(read: list[list[str]]) -> Any:
    """Return a Runnable that does so."""
    return RunnableLambda(build_async_function(read))


def note_here(read: list[list[str]]) -> str:
    """Read and add a note where only the context tells whose it is; say how it went."""
    pad = il.scratchpad()
    read.append(list(pad))
    pad.append(f"{NOTE} {len(read)}")
    return "good" if len(read) == 2 else "bad"


def build_graph(read: list[list[str]]) -> Any:
    """Return a compiled graph whose inner graph's sync node does so."""

    def deep(state: BriefState) -> BriefState:
        return {"output": note_here(read)}

    inner = StateGraph(BriefState)
    inner.add_node("deep", deep)
    inner.add_edge(START, "deep")
    inner.add_edge("deep", END)
    graph = StateGraph(BriefState)
    graph.add_node("inner", inner.compile())
    graph.add_edge(START, "inner")
    graph.add_edge("inner", END)
    return graph.compile()


def build_messages_graph(read: list[list[str]]) -> Any:
    """Return a messages-style graph whose node does so; its notes come back in the message."""

    async def node(state: MessagesState) -> dict[str, Any]:
        shown = str(state["messages"][0].content)
        notes = shown.partition("Your own notes:\n")[2]
        assert [line.removeprefix("- ") for line in notes.splitlines()] == list(il.scratchpad())
        return {"messages": [("ai", note_here(read))]}

    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile()


def build_tool_agent(read: list[list[str]]) -> Any:
    """Return an agent of LangChain's whose tool does so."""

    @tool
    async def note() -> str:
        """Note something."""
        return note_here(read)

    class EchoingChat(ScriptedChat):
        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            self.turns = [call_tools(note={}), str(messages[-1].content)]
            return super()._generate(messages, *args, **kwargs)

    return create_agent(EchoingChat(turns=[]), tools=[note])


def build_task_function(read: list[list[str]]) -> Any:
    """Return a worker that does so in a LangGraph task."""

    @task
    async def note() -> str:
        return note_here(read)

    async def work(brief: il.Brief) -> str:
        return await note()

    return work


def build_entrypoint(read: list[list[str]]) -> Any:
    """Return a graph in LangGraph's functional form that does so."""

    @entrypoint()
    async def work(shown: Any) -> str:
        return note_here(read)

    return work


KINDS: dict[str, Callable[[list[list[str]]], Any]] = {
    "async function": build_async_function,
    "sync function": build_sync_function,
    "runnable": build_runnable,
    "graph in a graph": build_graph,
    "messages graph": build_messages_graph,
    "agent with a tool": build_tool_agent,
    "function with a task": build_task_function,
    "entrypoint": build_entrypoint,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_i04_every_kind_of_worker_has_a_scratchpad_that_nobody_else_reads(kind: str) -> None:
    """I4: notes reach the worker's next attempt and people; no other worker and no other step."""
    read: list[list[str]] = []
    beside, after, second = Probe(), Probe(), Probe()

    def build_prober(probe: Probe, value: str) -> Any:
        async def work(brief: il.Brief) -> str:
            await probe.alook([brief, list(il.scratchpad())])
            return value

        return work

    steps = [
        build_step("first", "noter", criteria=GOOD, retry=il.Retry(max_attempts=2)),
        build_step("beside"),
        build_step("after", needs=["first", "beside"], inputs={}),
        build_step(
            "other",
            "noter",
            needs=["after"],
            inputs={},
            criteria=[il.expr("output == 'never'")],
            fallback=[il.use_worker("second")],
        ),
    ]
    agents = {
        "noter": KINDS[kind](read),
        "beside": build_prober(beside, "b"),
        "after": build_prober(after, "a"),
        "second": build_prober(second, "never"),
    }
    async with build_desk(agents, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        notes = {step: await desk.ascratchpad("t", step) for step in ("first", "other", "after")}
        briefs = [h for h in await desk.ahandoffs("t") if h.kind == "brief"]
    assert result.status == "completed", result.outcomes
    assert read[:2] == [[], [f"{NOTE} 1"]]
    assert read[2] == []
    assert list_texts(notes["first"]) == [("noter", 1, f"{NOTE} 1"), ("noter", 2, f"{NOTE} 2")]
    assert [worker for worker, _, _ in list_texts(notes["other"])] == ["noter"]
    assert list(notes["after"]) == []
    for probe in (beside, after, second):
        assert probe.looks > 0
        assert probe.seen == set()
    shown = {(h.step_id, h.attempt): find_canaries(h.payload) for h in briefs}
    assert {key for key, found in shown.items() if found} == {("first", 2)}


async def test_i04_a_scratchpad_is_no_way_to_the_storage() -> None:
    """I4: from the pad a worker reaches its own notes and nothing that other steps have left."""
    probe = Probe()

    async def source(brief: il.Brief) -> str:
        brief.scratchpad.append("canary-source-note")
        return "canary-source-output"

    async def look(brief: il.Brief) -> str:
        brief.scratchpad.append("canary-own-note")
        await probe.alook(brief.scratchpad)
        return "seen"

    steps = [build_step("source"), build_step("look", needs=["source"], inputs={})]
    async with build_desk({"source": source, "look": look}, *steps) as desk:
        assert (await desk.ainvoke("Test", thread_id="t")).status == "completed"
    assert probe.seen == {"canary-own-note"}


async def test_i04_notes_last_over_a_question_and_another_process(tmp_path: Path) -> None:
    """A step that waited for a person goes on with its notes, in another team on the same file."""
    read: list[list[str]] = []
    step = build_step(
        "step",
        criteria=GOOD,
        retry=il.Retry(max_attempts=2),
        fallback=[il.ask_person()],
    )

    async def work(brief: il.Brief) -> str:
        read.append(list(brief.scratchpad))
        brief.scratchpad.append(f"tried {brief.attempt}")
        return "good" if brief.attempt == 3 else "bad"

    async with build_desk({"step": work}, step, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        state = (await desk.graph.aget_state({"configurable": {"thread_id": "t"}})).values
    assert waiting.status == "waiting"
    assert "tried" not in str(state)
    async with build_desk({"step": work}, step, storage=locate(tmp_path)) as desk:
        (question,) = await desk.aquestions("t")
        result = await desk.aanswer("t", {question.id: il.respond("once more")})
        notes = await desk.ascratchpad("t", "step")
    assert result.status == "completed"
    assert read == [[], ["tried 1"], ["tried 1", "tried 2"]]
    assert [note.text for note in notes] == ["tried 1", "tried 2", "tried 3"]


async def test_i04_a_fork_does_not_read_the_branch_it_leaves() -> None:
    """Attempts on a fork read what was noted before it, and nothing of the branch it leaves."""
    read: list[list[str]] = []

    async def work(brief: il.Brief) -> str:
        read.append(list(brief.scratchpad))
        brief.scratchpad.append(f"call {len(read)}")
        return "good" if len(read) == 6 else "bad"

    step = build_step(
        "step", criteria=GOOD, retry=il.Retry(max_attempts=2), fallback=[il.ask_person()]
    )
    async with build_desk({"step": work}, step) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        before = await desk.graph.aget_state({"configurable": {"thread_id": "t"}})
        await desk.aanswer("t", {waiting.questions[0].id: il.respond("go on")})
        await desk.graph.aupdate_state(before.config, {"context": {}})
        asked = await desk.aresume("t")
        result = await desk.aanswer("t", {asked.questions[0].id: il.respond("go on")})
        notes = await desk.ascratchpad("t", "step")
    assert result.status == "completed"
    assert read[:4] == [[f"call {n}" for n in range(1, count)] for count in range(1, 5)]
    assert read[4:] == [["call 1", "call 2"], ["call 1", "call 2", "call 5"]]
    assert [note.text for note in notes] == [f"call {n}" for n in range(1, 7)]
    assert [note.attempt for note in notes] == [1, 2, 3, 4, 3, 4]


async def test_i04_a_fork_that_runs_a_step_anew_begins_with_an_empty_scratchpad() -> None:
    """A step whose attempts all lie behind the fork starts from nothing."""
    read: list[list[str]] = []
    async with build_desk({"step": build_async_function(read)}) as desk:
        await desk.ainvoke("Test", thread_id="t")
        config: Any = {"configurable": {"thread_id": "t"}}
        history = [state async for state in desk.graph.aget_state_history(config)]
        begun = next(state for state in history if state.next == ("dispatch",))
        fork = await desk.graph.aupdate_state(begun.config, {"context": {}})
        await desk.graph.ainvoke(None, fork, durability="sync")
        notes = await desk.ascratchpad("t", "step")
    assert read == [[], []]
    assert [note.text for note in notes] == [f"{NOTE} 1"] * 2
    assert len({note.superstep for note in notes}) == 2


async def test_i04_notes_made_before_a_pause_are_stored_once(tmp_path: Path) -> None:
    """A function that runs again after a question notes nothing twice, and keeps what is new."""
    times: list[int] = []

    async def work(brief: il.Brief) -> str:
        times.append(len(times))
        brief.scratchpad.append("before")
        brief.scratchpad.append("before")
        brief.scratchpad.append(f"run {len(times)}")
        answer = interrupt("May I?")
        brief.scratchpad.append("after")
        assert list(brief.scratchpad) == ["before", "before", f"run {len(times)}", "after"]
        return str(answer)

    async with build_desk({"step": work}, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        (question,) = waiting.questions
        early = await desk.ascratchpad("t", "step")
        result = await desk.aanswer("t", {question.id: il.respond("yes")})
        notes = await desk.ascratchpad("t", "step")
    assert result.status == "completed", result
    assert [note.text for note in early] == ["before", "before", "run 1"]
    assert [note.text for note in notes] == ["before", "before", "run 1", "run 2", "after"]
    assert {note.attempt for note in notes} == {1}


async def test_i04_a_nested_step_notes_under_its_path() -> None:
    """In a nested team a step's notes lie under `outer/inner`; the outer step has none of them."""
    inner = build_desk(
        {"deep": build_async_function([])},
        planner=build_plan(
            build_step("deep", criteria=GOOD, retry=il.Retry(max_attempts=2)),
        ),
    )
    async with build_desk({"outer": inner}) as desk:
        assert (await desk.ainvoke("Test", thread_id="t")).status == "completed"
        assert len(await desk.ascratchpad("t", "outer/deep")) == 2
        assert list(await desk.ascratchpad("t", "outer")) == []
        assert list(await desk.ascratchpad("t", "deep")) == []


@pytest.mark.parametrize(
    ("limits", "setting"),
    [
        ({"max_notes": 3}, "max_notes"),
        ({"max_note_bytes": 9}, "max_note_bytes"),
        ({"max_bytes": 20}, "max_bytes"),
    ],
)
async def test_a_full_scratchpad_refuses_and_loses_nothing(
    limits: dict[str, int], setting: str
) -> None:
    """Beyond a limit `append` raises what does not fit; the notes before it are kept, over attempts."""
    met: list[il.ScratchpadFullError] = []
    texts = ["one", "two two", "é" * 4, "é" * 5]

    async def work(brief: il.Brief) -> str:
        for text in texts[2 * brief.attempt - 2 :][:2]:
            try:
                brief.scratchpad.append(text)
            except il.ScratchpadFullError as exc:
                met.append(exc)
        return "good" if brief.attempt == 2 else "bad"

    step = build_step("step", criteria=GOOD, retry=il.Retry(max_attempts=2))
    policy = il.RunPolicy(scratchpad=il.ScratchpadPolicy(**limits))
    async with build_desk({"step": work}, step, policy=policy) as desk:
        assert (await desk.ainvoke("Test", thread_id="t")).status == "completed"
        kept = [note.text for note in await desk.ascratchpad("t", "step")]
    (refused,) = met
    assert kept == texts[:3]
    assert isinstance(refused, il.PermanentError)
    assert (refused.setting, refused.limit) == (setting, limits[setting])
    assert refused.asked == {"max_notes": 4, "max_note_bytes": 10, "max_bytes": 28}[setting]
    for words in ("'step'", setting, f"{refused.limit}", f"{refused.asked}"):
        assert words in str(refused)


async def test_a_full_scratchpad_ends_an_attempt_that_does_not_care() -> None:
    """Not caught, the error is the attempt's: permanent, so that the step takes its fallback."""

    async def work(brief: il.Brief) -> str:
        while True:
            brief.scratchpad.append("again")

    agents = {"step": work, "backup": Recorder("instead")}
    step = build_step("step", retry=il.Retry(max_attempts=5), fallback=[il.use_worker("backup")])
    policy = il.RunPolicy(scratchpad=il.ScratchpadPolicy(max_notes=7))
    async with build_desk(agents, step, policy=policy) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        notes = await desk.ascratchpad("t", "step")
    assert result.outputs == {"step": "instead"}
    assert result.outcomes["step"].attempts == 2
    assert len(notes) == 7


@pytest.mark.parametrize("note", ["\ud800", 7, None, ["a"], b"x"])
async def test_what_cannot_be_stored_is_refused_where_it_is_appended(note: Any) -> None:
    """Only text that every storage can hold is taken; the worker is told at once."""

    async def work(brief: il.Brief) -> str:
        with pytest.raises(il.PlainValueError, match="the note is"):
            brief.scratchpad.append(note)
        brief.scratchpad.append("a\x00b")
        return "good"

    async with build_desk({"step": work}) as desk:
        assert (await desk.ainvoke("Test", thread_id="t")).status == "completed"
        assert [n.text for n in await desk.ascratchpad("t", "step")] == ["a\x00b"]


async def test_a_late_note_is_refused() -> None:
    """After its attempt a worker's pad takes nothing more: what later attempts read stays fixed."""
    pads: list[il.Scratchpad] = []

    async def work(brief: il.Brief) -> str:
        pads.append(brief.scratchpad)
        return "good"

    async with build_desk({"step": work}) as desk:
        await desk.ainvoke("Test", thread_id="t")
        with pytest.raises(il.ScratchpadOverError, match="'too late'"):
            pads[0].append("too late")
        assert list(await desk.ascratchpad("t", "step")) == []


def test_there_is_no_scratchpad_outside_a_worker() -> None:
    """Called where no step is worked on, `scratchpad()` says so."""
    with pytest.raises(il.ConfigurationError, match="outside a worker"):
        il.scratchpad()
