"""A team that kills its own process, once at each place it is told to; runs as a script too.

`python doomed_team.py FOLDER KIND [ANSWER...]` drives thread `t` in the folder's database. A
place named in the folder's file `die_at` is died at once. What starts is written to `starts`.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

import interlock as il
from tests.integration.gated_graphs import GateState
from tests.integration.teams import build_desk, build_step, locate


def pass_place(folder: Path, place: str) -> None:
    """Note that a place was reached, and die there if that is asked and has not been done."""
    with (folder / "starts").open("a") as file:
        file.write(f"{place}\n")
    orders = folder / "die_at"
    if orders.exists() and place in orders.read_text().split():
        orders.write_text(" ".join(p for p in orders.read_text().split() if p != place))
        os.kill(os.getpid(), signal.SIGKILL)


def list_starts(folder: Path) -> list[str]:
    """Return the places reached so far, in order."""
    return (folder / "starts").read_text().split()


def _build_two_gates(folder: Path) -> Any:
    graph = StateGraph(GateState)

    def ask(name: str) -> Any:
        def gate(state: GateState) -> GateState:
            return {"answers": [[name, interrupt({"gate": name})]]}

        return gate

    def between(state: GateState) -> GateState:
        pass_place(folder, "between")
        return {"answers": []}

    def after(state: GateState) -> GateState:
        return {"output": {"answers": state["answers"]}}

    graph.add_node("first", ask("first"))
    graph.add_node("between", between)
    graph.add_node("second", ask("second"))
    graph.add_node("after", after)
    for source, target in (
        (START, "first"),
        ("first", "between"),
        ("between", "second"),
        ("second", "after"),
        ("after", END),
    ):
        graph.add_edge(source, target)
    return graph.compile()


def list_payments(folder: Path) -> list[str]:
    """Return what was paid outside, in order."""
    file = folder / "payments"
    return file.read_text().split() if file.exists() else []


def _build_payer(folder: Path) -> Any:
    """Return a worker whose guarded tool changes something outside, and can be asked whether it did."""

    def find_payment(key: str, order: str) -> str | None:
        return f"paid {order}" if order in list_payments(folder) else None

    @il.idempotent(effect="write", probe=find_payment)
    async def pay(order: str) -> str:
        pass_place(folder, f"before-{order}")
        with (folder / "payments").open("a") as file:
            file.write(f"{order}\n")
        pass_place(folder, f"after-{order}")
        return f"paid {order}"

    async def work(brief: il.Brief) -> str:
        pass_place(folder, brief.step_id)
        paid: str = await pay(brief.step_id)
        return paid

    return work


def _nest(inner: il.Orchestrator, folder: Path) -> il.Orchestrator:
    """Return a team whose step is a team whose step is the given one."""
    middle = build_desk({"inner": inner}, _pass_tenant("inner"))
    return build_desk({"outer": middle}, _pass_tenant("outer"), storage=locate(folder))


def build_doomed_desk(folder: Path, kind: str) -> il.Orchestrator:
    """Return the team of a kind on the folder's database, not opened."""

    def work(brief: il.Brief) -> dict[str, Any]:
        pass_place(folder, brief.step_id)
        return {"step": brief.step_id, "tenant": brief.context.get("tenant")}

    if kind == "gates":
        return build_desk({"gated": _build_two_gates(folder)}, storage=locate(folder))
    steps = (
        build_step("a", "work", context=["tenant"]),
        build_step("b", "work", needs=["a"], context=["tenant"]),
        build_step("c", "work", needs=["a"], context=["tenant"]),
        build_step("d", "work", needs=["b", "c"], context=["tenant"]),
    )
    if kind == "nested":
        return _nest(build_desk({"work": work}, *steps), folder)
    if kind == "nested_payments":
        pay = {"work": _build_payer(folder)}
        chain = (build_step("x", "work"), build_step("y", "work", needs=["x"], inputs={}))
        return _nest(build_desk(pay, *chain), folder)
    return build_desk({"work": work}, *steps, storage=locate(folder))


def _pass_tenant(step_id: str) -> il.Step:
    return build_step(step_id, context=["tenant"])


async def drive_doomed(folder: Path, kind: str, answers: list[str]) -> None:
    """Start, resume or answer thread `t`."""
    async with build_doomed_desk(folder, kind) as desk:
        if answers:
            (question,) = await desk.aquestions("t")
            await desk.aanswer("t", {question.id: il.respond(answers[0])})
        else:
            await desk.ainvoke("Test", thread_id="t", context={"tenant": "north"})


def run_until_killed(folder: Path, kind: str, *answers: str, at: str) -> None:
    """Run the team in a process of its own, which dies by SIGKILL at a place."""
    (folder / "die_at").write_text(at)
    done = subprocess.run(
        [sys.executable, __file__, str(folder), kind, *answers],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


if __name__ == "__main__":
    asyncio.run(drive_doomed(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
