"""I8: a handoff is durable in the journal before its receiver starts.

Durable means: a connection of the test's own finds it in the database file. The disk is slow on
purpose: every commit takes as long as a hundred turns of the event loop, so that whoever does
not wait for it is seen to be early.
"""

import asyncio
import hashlib
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

import interlock as il
from interlock.checkpoints import SqlStorage
from tests.integration.teams import build_desk, build_step

TURNS = 100
HANG_SECONDS = 10


class SlowDisk:
    """Lets the event loop turn many times before each commit."""

    def __init__(self) -> None:
        """Belong to the running loop."""
        self.loop = asyncio.get_running_loop()

    def before_commit(self, index: int) -> None:
        """Wait for the turns; called on the writer's thread."""
        turned = threading.Event()
        self.loop.call_soon_threadsafe(self._turn, TURNS, turned)
        turned.wait(HANG_SECONDS)

    def after_commit(self, index: int) -> None:
        """Add nothing."""

    def _turn(self, left: int, turned: threading.Event) -> None:
        if left == 0:
            turned.set()
        else:
            self.loop.call_soon(self._turn, left - 1, turned)


class Desk:
    """A team on a slow disk, and the test's own eyes on its file."""

    def __init__(self, path: Path) -> None:
        """Know the file."""
        self.path = path

    @asynccontextmanager
    async def open(
        self, agents: dict[str, Any], *steps: il.Step, **options: Any
    ) -> AsyncIterator[il.Orchestrator]:
        """Open the team."""
        storage = SqlStorage(f"sqlite:///{self.path}", write_hook=SlowDisk())
        await storage.connect()
        async with build_desk(agents, *steps, storage=storage, **options) as desk:
            yield desk
        await storage.aclose()

    def read(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return rows of what is durable, by a connection of its own."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(query, parameters).fetchall()

    def read_handoffs(self, kind: str, step_id: str) -> list[tuple[int, Any, str]]:
        """Return attempt, payload and payload hash of a step's handoffs of a kind."""
        rows = self.read(
            "SELECT attempt, data, cuts, payload_hash FROM handoffs LEFT JOIN payloads "
            "ON payloads.thread_id = handoffs.thread_id AND payloads.hash = payload_hash "
            "WHERE kind = ? AND step_id = ? ORDER BY seq",
            kind,
            step_id,
        )
        return [
            (attempt, json.loads(self.put_together(data, cuts)), digest)
            for attempt, data, cuts, digest in rows
        ]

    def put_together(self, data: bytes, cuts: str | None) -> bytes:
        """Return a payload with its big parts, which lie in rows of their own."""
        whole, begin = b"", 0
        for offset, digest in json.loads(cuts or "[]"):
            ((part,),) = self.read("SELECT data FROM payloads WHERE hash = ?", digest)
            whole, begin = whole + data[begin:offset] + part, offset
        return whole + data[begin:]

    def read_status(self, step_id: str) -> str | None:
        """Return how a step has settled, durably."""
        rows = self.read("SELECT status FROM outcomes WHERE step_id = ?", step_id)
        return rows[-1][0] if rows else None


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Return a team's file."""
    return Desk(tmp_path / "desk.db")


def describe(brief: il.Brief) -> dict[str, Any]:
    """Return what a worker was shown, field by field."""
    return {
        "step_id": brief.step_id,
        "attempt": brief.attempt,
        "instruction": brief.instruction,
        "inputs": json.loads(json.dumps(brief.inputs)),
        "context": json.loads(json.dumps(brief.context)),
        "criteria": list(brief.criteria),
        "feedback": list(brief.feedback),
        "scratchpad": list(brief.scratchpad),
    }


def hash_text(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class BriefState(TypedDict, total=False):
    brief: dict[str, Any]
    output: Any


def build_agents(look: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return one worker of each kind; each looks before anything else."""

    async def function(brief: il.Brief) -> Any:
        return look(describe(brief))

    def in_a_thread(brief: il.Brief) -> Any:
        return look(describe(brief))

    def node(state: BriefState) -> BriefState:
        return {"output": look(state["brief"])}

    graph = StateGraph(BriefState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return {"function": function, "thread": in_a_thread, "graph": graph.compile()}


async def test_i08_a_worker_finds_its_own_brief_in_the_file(desk: Desk) -> None:
    """I8: at every attempt of every kind of worker the brief it was shown is durable, hash and all.

    So is every earlier handoff of its step, the refusal of the last attempt first of all.
    """
    found: list[tuple[str, int]] = []

    def look(shown: dict[str, Any]) -> Any:
        briefs = desk.read_handoffs("brief", shown["step_id"])
        attempt, payload, digest = briefs[-1]
        assert (attempt, payload) == (shown["attempt"], shown)
        assert digest == hash_text(shown)
        outputs = desk.read_handoffs("output", shown["step_id"])
        assert [number for number, _, _ in outputs] == list(range(1, attempt))
        found.append((shown["step_id"], attempt))
        if attempt == 2:
            raise ConnectionError("once more")
        return {"good": attempt == 3, "é": attempt}

    steps = [
        build_step(
            name,
            criteria=[il.expr("output.good")],
            retry=il.Retry(max_attempts=3, backoff=il.Retry().backoff * 0),
        )
        for name in ("function", "thread", "graph")
    ]
    async with desk.open(build_agents(look), *steps) as team:
        result = await team.ainvoke("Test", thread_id="t")
    assert result.status == "completed", {s: o.reason for s, o in result.outcomes.items()}
    assert sorted(found) == [
        (name, n) for name in ("function", "graph", "thread") for n in (1, 2, 3)
    ]


async def test_i08_a_dependent_finds_what_it_rests_on_in_the_file(desk: Desk) -> None:
    """I8: before a step starts, the outcome and the output of all that it needs are durable."""
    looked: list[str] = []

    async def work(brief: il.Brief) -> Any:
        looked.append(brief.step_id)
        for need, value in brief.dump()["inputs"].items():
            assert desk.read_status(need) == ("skipped" if need == "lost" else "accepted")
            if need == "lost":
                assert desk.read_handoffs("settlement", need)[-1][1]["gap"] == "gone"
            else:
                ((_, payload, digest),) = desk.read_handoffs("output", need)
                assert (payload, digest) == (value, hash_text(value))
        if brief.step_id == "lost":
            raise il.PermanentError("no")
        return {"of": brief.step_id, "big": "x" * 20_000 if brief.step_id == "big" else ""}

    steps = (
        build_step("first", "work"),
        build_step("big", "work", needs=["first"]),
        build_step("lost", "work", needs=["first"], fallback=[il.skip(gap="gone")]),
        build_step(
            "last",
            "work",
            needs=["first", "big", il.Need(step="lost", accept_degraded=True)],
        ),
    )
    async with desk.open({"work": work}, *steps) as team:
        result = await team.ainvoke("Test", thread_id="t")
    assert result.status == "degraded", {s: o.reason for s, o in result.outcomes.items()}
    assert sorted(looked) == ["big", "first", "last", "lost"]


def ask(brief: il.Brief) -> Any:
    """Ask a person in the middle of the work."""
    return interrupt({"question": brief.step_id})


def refuse(brief: il.Brief) -> Any:
    """Fail for good."""
    raise il.PermanentError("no")


async def test_i08_a_question_is_in_the_file_before_anybody_sees_it(desk: Desk) -> None:
    """I8: plan approvals, gates, refused outputs and workers' own questions are durable first."""
    agents = {"ask": ask, "gate": lambda brief: "passed", "refuse": refuse}
    steps = (
        build_step("ask"),
        build_step("gate", approval="true"),
        build_step("refuse", fallback=[il.ask_person()]),
    )
    seen: list[str] = []
    answers: dict[str, il.Answer] = {}
    async with desk.open(agents, *steps, policy=il.RunPolicy(approve_plan=True)) as team:
        goal: str | None = "Test"
        while goal or answers:
            given, answers = answers, {}
            async for event in team.astream(goal, thread_id="t", answers=given or None):
                if isinstance(event, il.events.QuestionAsked):
                    question = event.question
                    rows = desk.read("SELECT status FROM questions WHERE id = ?", question.id)
                    assert rows == [("open",)], question.kind
                    seen.append(question.kind)
                    answers[question.id] = (
                        il.approve() if question.kind != "output" else il.edit("by hand")
                    )
            goal = None
        result = await team.aresume("t")
    assert sorted(seen) == ["before_step", "output", "plan", "worker"]
    assert result.status == "completed"


async def test_i08_an_answer_is_in_the_file_before_it_is_acted_on(desk: Desk) -> None:
    """I8: a worker that starts because of an answer finds the answer recorded and journalled."""
    checked: list[str] = []

    def work(brief: il.Brief) -> str:
        rows = desk.read("SELECT status, answer FROM questions")
        assert [(status, json.loads(answer)["type"]) for status, answer in rows] == [
            ("applied", "approve")
        ]
        ((_, payload, _),) = desk.read_handoffs("answer", brief.step_id)
        assert payload["answer"]["type"] == "approve"
        checked.append(brief.step_id)
        return "done"

    async with desk.open({"work": work}, build_step("work", approval="true")) as team:
        waiting = await team.ainvoke("Test", thread_id="t")
        assert checked == []
        result = await team.aanswer("t", {waiting.questions[0].id: il.approve()})
    assert checked == ["work"], result.outcomes["work"].reason


async def test_i08_a_run_is_in_the_file_before_its_planner_is_asked(desk: Desk) -> None:
    """I8: an accepted run, and then its plan, are durable before anybody works on them."""
    seen: list[str] = []

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        assert desk.read("SELECT thread_id, goal, status FROM runs") == [("t", "Test", "running")]
        seen.append("run")
        return il.TaskGraph(goal=request.goal, steps=[build_step("work")])

    def work(brief: il.Brief) -> str:
        ((kind, receiver),) = desk.read("SELECT kind, receiver FROM handoffs WHERE kind = 'plan'")
        assert (kind, receiver) == ("plan", "supervisor")
        seen.append("plan")
        return "done"

    async with desk.open({"work": work}, planner=plan) as team:
        result = await team.ainvoke("Test", thread_id="t")
    assert result.status == "completed", result.outcomes
    assert seen == ["run", "plan"]
