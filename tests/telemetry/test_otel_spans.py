"""Spans: the tree of a run, what stands within it, and what links its parts over pauses."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.types import interrupt

import interlock as il
from interlock.testing import ModelReply, ScriptedModel
from interlock.testing.openai_replies import say
from interlock.testing.openai_server import OpenAIServer
from tests.telemetry.traces import Watched, list_events, list_linked, read


def build_desk(
    watched: Watched, *steps: il.Step, options: dict[str, Any] | None = None, **agents: Any
) -> il.Orchestrator:
    """Return a watched team of named agents with a fixed plan."""
    return il.Orchestrator(
        workers=[il.Worker(name=name, agent=agent) for name, agent in agents.items()],
        planner=il.TaskGraph(goal="g", steps=list(steps)),
        storage="memory://",
        telemetry=watched.build(**(options or {})),
        name="desk",
    )


def step(name: str, *, worker: str | None = None, **rest: Any) -> il.Step:
    """Return a step that is done by the worker of its own name unless another is named."""
    return il.Step.model_validate(
        {"id": name, "worker": worker or name, "instruction": f"Do {name}", **rest}
    )


async def test_run_is_one_tree() -> None:
    """Run, plan, step, attempt, brief, work, model, review and promotion stand within each other."""
    watched = Watched()

    async def write(brief: il.Brief) -> dict[str, object]:
        await ScriptedModel("Dear customer").ainvoke("Write")
        if brief.attempt == 1:
            raise ValueError("no pen")
        return {"text": "Dear customer"}

    async def judge(request: il.JudgeRequest) -> bool:
        await ScriptedModel("fine").ainvoke("Judge")
        return True

    desk = il.Orchestrator(
        workers=[il.Worker(name="write", agent=write)],
        planner=il.TaskGraph(
            goal="g",
            steps=[
                step(
                    "write", criteria=[il.rubric("Polite")], retry={"max_attempts": 2, "backoff": 0}
                )
            ],
        ),
        judges={"judge": judge},
        storage="memory://",
        telemetry=watched.build(),
        name="desk",
    )
    async with desk:
        result = await desk.ainvoke("g", thread_id="t")
        handoffs = await desk.ahandoffs("t")

    assert result.status == "completed"
    assert watched.draw("invoke_workflow desk") == [
        "invoke_workflow desk",
        "  plan",
        "  step write",
        "    attempt write",
        "      brief write",
        "      invoke_agent write",
        "        chat scripted",
        "      review",
        "    attempt write",
        "      brief write",
        "      invoke_agent write",
        "        chat scripted",
        "      review",
        "        chat scripted",
        "    promotion",
    ]
    run = watched.find("invoke_workflow desk")
    assert read(run)["interlock.status"] == "completed"
    assert {handoff.trace_id for handoff in handoffs} == {format(run.context.trace_id, "032x")}
    first, second = watched.find_all("attempt write")
    assert read(first)["interlock.verdict"] == "retry"
    assert read(first)["error.type"] == "ValueError"
    assert not first.status.is_ok
    assert read(second)["interlock.verdict"] == "accept"
    assert list_events(watched.find("step write")) == ["interlock.retry"]


async def test_chat_spans_follow_the_conventions() -> None:
    """A model's span says operation, provider, model and tokens, and that it is a client's."""
    watched = Watched()

    async def write(brief: il.Brief) -> str:
        await ScriptedModel("x", model_name="small-1").ainvoke("q")
        return "x"

    async with build_desk(watched, step("write"), write=write) as desk:
        await desk.ainvoke("g", thread_id="t")
    (span,) = [one for one in watched.spans if one.name.startswith("chat")]
    told = read(span)
    assert span.kind.name == "CLIENT"
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.conversation.id"] == "t"
    assert told["gen_ai.request.model"] == span.name.removeprefix("chat ")
    assert told["gen_ai.usage.input_tokens"] > 0
    assert told["gen_ai.usage.output_tokens"] > 0
    assert told["interlock.role"] == "worker"


async def test_own_spans_of_workers_stand_where_they_are_opened() -> None:
    """A user's spans are within the work, or the model or tool that opens them, and not after it."""
    watched = Watched()

    @il.idempotent(effect="write")
    async def book(seat: str, *, key: il.IdempotencyKey) -> str:
        with watched.tracer.start_as_current_span("in the tool"):
            return seat

    async def travel(brief: il.Brief) -> str:
        with watched.tracer.start_as_current_span("before"):
            pass
        await book("1A")
        with watched.tracer.start_as_current_span("around"):
            await ScriptedModel("x").ainvoke("q")
            with watched.tracer.start_as_current_span("after the call"):
                pass
        await asyncio.to_thread(in_thread)
        return "x"

    def in_thread() -> None:
        ScriptedModel("x").invoke("q")
        with watched.tracer.start_as_current_span("after the blocking call"):
            pass

    async with build_desk(watched, step("travel"), travel=travel) as desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "completed"
    assert watched.draw("invoke_agent travel") == [
        "invoke_agent travel",
        "  before",
        "  execute_tool book",
        "    in the tool",
        "  around",
        "    chat scripted",
        "    after the call",
        "  chat scripted",
        "  after the blocking call",
    ]


class TracedTransport(httpx.AsyncHTTPTransport):
    """Opens a span for each request, as instrumentations of HTTP clients do."""

    def __init__(self, watched: Watched) -> None:
        super().__init__()
        self._watched = watched

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with self._watched.tracer.start_as_current_span("POST"):
            return await super().handle_async_request(request)


@pytest.mark.parametrize("streams", [False, True])
async def test_spans_of_client_libraries_stand_within_the_call(*, streams: bool) -> None:
    """The HTTP request of a real client is within the span of its model call, streamed or not."""
    watched = Watched()
    with OpenAIServer() as server:
        server.script(say("hello"))
        async with httpx.AsyncClient(transport=TracedTransport(watched)) as client:
            model = ChatOpenAI(
                base_url=server.url, api_key="none", model="gpt-4.1-mini", http_async_client=client
            )

            async def write(brief: il.Brief) -> str:
                if streams:
                    return "".join([str(part.content) async for part in model.astream("q")])
                return str((await model.ainvoke("q")).content)

            async with build_desk(watched, step("write"), write=write) as desk:
                assert (await desk.ainvoke("g", thread_id="t")).outputs == {"write": "hello"}
    assert watched.draw("invoke_agent write") == [
        "invoke_agent write",
        "  chat gpt-4.1-mini",
        "    POST",
    ]
    told = read(watched.find("chat gpt-4.1-mini"))
    assert told["gen_ai.provider.name"] == "openai"


async def test_agents_calls_stand_within_their_work() -> None:
    """An agent's model and tool calls are within its work, side by side; a guarded tool is one call."""
    watched = Watched()

    @tool
    async def look(place: str) -> str:
        """Look."""
        with watched.tracer.start_as_current_span(f"looking at {place}"):
            await asyncio.sleep(0)
        return place

    model = ScriptedModel(
        ModelReply(tool_calls=[("look", {"place": "a"}), ("look", {"place": "b"})]), "done"
    )
    guarded = il.make_idempotent(look, effect="write")
    async with build_desk(
        watched, step("scout"), scout=create_agent(model, tools=[guarded])
    ) as desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "completed"
    drawn = watched.draw("invoke_agent scout")
    assert sorted(drawn) == sorted(
        [
            "invoke_agent scout",
            "  chat scripted",
            "  execute_tool look",
            "    looking at a",
            "  execute_tool look",
            "    looking at b",
            "  chat scripted",
        ]
    )


async def test_parallel_steps_do_not_mix() -> None:
    """What eight steps open at the same time, in tasks of their own, stands within its own step."""
    watched = Watched()
    together = asyncio.Barrier(8)

    async def work(brief: il.Brief) -> str:
        await together.wait()

        async def part(name: str) -> None:
            with watched.tracer.start_as_current_span(f"{brief.step_id}: {name}"):
                await ScriptedModel("x").ainvoke("q")

        await asyncio.gather(part("left"), part("right"))
        return "x"

    steps = [step(f"s{n}", worker="work") for n in range(8)]
    async with build_desk(watched, *steps, work=work) as desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "completed"
    for n in range(8):
        drawn = watched.draw(f"step s{n}")
        assert sorted(drawn) == sorted(
            [
                f"step s{n}",
                "  attempt work",
                "    brief work",
                "    invoke_agent work",
                f"      s{n}: left",
                "        chat scripted",
                f"      s{n}: right",
                "        chat scripted",
                "    review",
                "  promotion",
            ]
        )


async def test_nested_teams_stand_within_their_step() -> None:
    """A nested team's plan and steps are within the work of the step whose worker it is."""
    watched = Watched()

    async def write(brief: il.Brief) -> str:
        return "x"

    inner = il.Orchestrator(
        workers=[il.Worker(name="write", agent=write)],
        planner=il.TaskGraph(goal="g", steps=[step("draft", worker="write")]),
    )
    async with build_desk(watched, step("team"), team=inner) as desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "completed"
    assert watched.draw("invoke_agent team") == [
        "invoke_agent team",
        "  plan",
        "  step draft",
        "    attempt write",
        "      brief write",
        "      invoke_agent write",
        "      review",
        "    promotion",
    ]
    assert read(watched.find("step draft"))["interlock.step.path"] == "team/draft"


async def test_a_planner_has_a_span_and_its_steps_no_names() -> None:
    """A model's plan is a span with its model call; names that a model made up are no span names."""
    watched = Watched()
    drafted = {"steps": [{"id": "step-for-jane-doe", "worker": "write", "instruction": "Write"}]}

    async def plan(request: il.PlanRequest) -> il.TaskGraph:
        await ScriptedModel("a plan").ainvoke("Plan")
        return il.TaskGraph.model_validate({"goal": request.goal, **drafted})

    async def write(brief: il.Brief) -> str:
        return "x"

    desk = il.Orchestrator(
        workers=[il.Worker(name="write", agent=write)],
        planner=plan,
        storage="memory://",
        telemetry=watched.build(),
    )
    async with desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "completed"
    assert watched.draw("plan") == ["plan", "  chat scripted"]
    assert read(watched.find("chat scripted"))["interlock.role"] == "planner"
    assert not [span.name for span in watched.spans if "jane" in span.name]
    assert read(watched.find("step"))["interlock.step.path"] == "step-for-jane-doe"


async def test_pauses_are_linked_over_processes(tmp_path: Path) -> None:
    """A step that goes on after an answer is linked to where it stopped, and a person's time to both.

    Another process takes the answer: all that it knows is in the database.
    """
    url = f"sqlite:///{tmp_path / 'desk.db'}"

    async def write(brief: il.Brief) -> str:
        return "x"

    async def ask(brief: il.Brief) -> str:
        return str(interrupt("May I?"))

    def build(watched: Watched) -> il.Orchestrator:
        workers = [il.Worker(name="write", agent=write), il.Worker(name="ask", agent=ask)]
        steps = [step("write", approval="true"), step("ask")]
        return il.Orchestrator(
            workers=workers,
            planner=il.TaskGraph(goal="g", steps=steps),
            storage=url,
            telemetry=watched.build(),
            name="desk",
        )

    first, second = Watched(), Watched()
    async with build(first) as desk:
        asked = await desk.ainvoke("g", thread_id="t")
    async with build(second) as desk:
        answers = {question.id: il.approve() for question in asked.questions}
        result = await desk.aanswer("t", answers)
        handoffs = await desk.ahandoffs("t")

    assert result.status == "completed"
    old, new = first.find("invoke_workflow desk"), second.find("invoke_workflow desk")
    assert old.context.trace_id != new.context.trace_id
    assert new.parent is None
    people = second.find_all("person")
    by_step = {read(span)["interlock.step.path"]: span for span in people}
    before, *others = list_linked(new)
    assert before == old.context.span_id
    assert set(others) == {span.context.span_id for span in people}
    parked = first.find("step write")
    assert list_linked(second.find("step write")) == [parked.context.span_id]
    assert list_linked(by_step["write"]) == [parked.context.span_id, new.context.span_id]
    assert list_linked(by_step["ask"]) == [old.context.span_id, new.context.span_id]
    assert list_linked(second.find("attempt ask")) == [first.find("attempt ask").context.span_id]
    asked_at = {q.step_id: q.asked_at for q in asked.questions}["write"]
    assert by_step["write"].start_time == int(asked_at.timestamp() * 1_000_000) * 1_000
    (answer,) = [h for h in handoffs if h.kind == "answer" and h.step_id == "write"]
    assert answer.trace_id == format(new.context.trace_id, "032x")


async def test_a_callers_own_trace_is_gone_on_with() -> None:
    """Within a span of the application, such as a request's, a run is a part of that trace."""
    watched = Watched()

    async def write(brief: il.Brief) -> str:
        return "x"

    async with build_desk(watched, step("write"), write=write) as desk:
        with watched.tracer.start_as_current_span("GET /reply"):
            await desk.ainvoke("g", thread_id="t")
    assert watched.draw("GET /reply")[:2] == ["GET /reply", "  invoke_workflow desk"]


async def test_a_graph_that_a_user_compiles_is_watched_too() -> None:
    """`build_run_graph` watches steps; the run is whatever span its caller opens around it."""
    watched = Watched()

    async def write(brief: il.Brief) -> str:
        return "x"

    async with il.open_storage("memory://") as storage:
        graph = il.build_run_graph(
            workers=[il.Worker(name="write", agent=write)],
            planner=il.TaskGraph(goal="g", steps=[step("write")]),
            storage=storage,
            telemetry=watched.build(),
        ).compile(checkpointer=storage.checkpointer)
        with watched.tracer.start_as_current_span("my run"):
            config: Any = {"configurable": {"thread_id": "t"}}
            await graph.ainvoke({"goal": "g"}, config, durability="sync")
    assert watched.draw("my run")[:4] == ["my run", "  plan", "  step write", "    attempt write"]


async def test_what_a_worker_raises_is_marked_and_its_words_are_not() -> None:
    """A failed run, step, attempt and work have an error's class; what it said is content."""
    watched = Watched()

    async def write(brief: il.Brief) -> str:
        raise LookupError("the card 4111-1111")

    async with build_desk(watched, step("write"), write=write) as desk:
        assert (await desk.ainvoke("g", thread_id="t")).status == "failed"
    failed = {
        span.name: read(span)["error.type"] for span in watched.spans if not span.status.is_ok
    }
    assert failed == {
        "invoke_workflow desk": "RunFailed",
        "step write": "StepFailed",
        "attempt write": "LookupError",
        "invoke_agent write": "LookupError",
    }
    assert "4111-1111" not in "".join(span.to_json() for span in watched.spans)
