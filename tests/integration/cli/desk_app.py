"""The team that the command line is tried on; copied into a folder of its own as `app.py`.

The goal chooses the plan. Every start of a worker is a line in `starts.txt`. Step `held` tells the
test that it has begun and goes on when the test lets it, if the environment names a gate.
"""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import interlock as il

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b5n\u202e[bold]loud[/bold] [/]\rFAKE\n12:00:00Z  accepted  all"
"""Clears a screen, names a window, asks a terminal to answer, turns text round, forges lines."""


def note_start(brief: il.Brief) -> None:
    """Write down that a worker was started."""
    with Path("starts.txt").open("a", encoding="utf-8") as file:
        file.write(f"{brief.step_id}\n")


async def read(brief: il.Brief) -> dict[str, str]:
    """Fail once, then answer."""
    note_start(brief)
    if brief.attempt == 1:
        raise il.TransientError("the shop is closed")
    return {"status": "delivered"}


async def write(brief: il.Brief) -> dict[str, object]:
    """Answer with the feedback that was given."""
    note_start(brief)
    return {"text": "Dear  customer", "told": list(brief.feedback)[-1:]}


async def hold(brief: il.Brief) -> str:
    """Wait at the gate, if there is one."""
    note_start(brief)
    port = os.environ.get("GATE_PORT")
    if port:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        try:
            writer.write(f"{brief.step_id}\n".encode())
            await reader.readline()
        finally:
            writer.close()
    return "held"


async def refuse(brief: il.Brief) -> str:
    """Fail for good."""
    note_start(brief)
    raise il.PermanentError("there is no such order")


async def attack(brief: il.Brief) -> dict[str, object]:
    """Answer with what must not reach a terminal."""
    return {HOSTILE: [HOSTILE]}


def step(step_id: str, worker: str, **fields: object) -> il.Step:
    """Return a step."""
    return il.Step.model_validate(
        {"id": step_id, "worker": worker, "instruction": f"Do {step_id}", **fields}
    )


AGAIN = il.Retry(max_attempts=2, backoff=timedelta(0))
ASKING = {"criteria": [il.expr("output.text == 'Dear Ada'")], "fallback": [il.ask_person()]}
PLANS = {
    "complete": [step("order", "reader", retry=AGAIN), step("reply", "writer", needs=["order"])],
    "degrade": [step("reply", "refuser", fallback=[il.use_value({"text": "Sorry"})])],
    "fail": [step("order", "refuser"), step("reply", "writer", needs=["order"])],
    "ask": [step(name, "writer", **ASKING) for name in ("a", "b", "c", "d", "e", "f")],
    "hold": [
        step("before", "writer"),
        step("held", "holder", needs=["before"]),
        step("after", "writer", needs=["held"]),
    ],
    "show": [
        step("order", "reader", retry=AGAIN),
        step("held", "holder", needs=["order"]),
        step("asked", "writer", needs=["order"], **ASKING),
        step("after", "writer", needs=["held"]),
    ],
    HOSTILE: [
        step("output", "attacker", instruction=HOSTILE),
        step(
            "question",
            "attacker",
            criteria=[il.expr("false", message=HOSTILE)],
            fallback=[il.ask_person()],
        ),
        step("gap", "refuser", fallback=[il.skip(gap=HOSTILE)]),
    ],
}


def plan(request: il.PlanRequest) -> il.TaskGraph:
    """Return the plan that the goal names."""
    return il.TaskGraph(goal=request.goal, steps=PLANS[request.goal])


def build() -> il.Orchestrator:
    """Return the team."""
    agents = {
        "reader": (read, "Reads (orders) [of the shop]"),
        "writer": (write, "Writes replies"),
        "holder": (hold, HOSTILE),
        "refuser": (refuse, ""),
        "attacker": (attack, ""),
    }
    return il.Orchestrator(
        workers=[
            il.Worker(name=name, agent=agent, description=words)
            for name, (agent, words) in agents.items()
        ],
        planner=plan,
        storage="sqlite:///desk.db",
        policy=il.RunPolicy(drain_grace=timedelta(minutes=10)),  # no test waits for its end
        lease_ttl=timedelta(seconds=60),
    )


desk = build()
