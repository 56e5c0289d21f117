"""Teams for the crash kit's own tests: one that keeps the promises, some that do not."""

import os
from pathlib import Path

import interlock as il

REFUNDS = Path("refunds")


def pay(order_id: str) -> None:
    """Change something outside: a line in a file of the folder that the team works in."""
    file = os.open(REFUNDS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{order_id}\n".encode())
    os.close(file)


def list_refunds() -> list[str]:
    """Return what was changed outside, sorted."""
    return sorted(REFUNDS.read_text().splitlines()) if REFUNDS.exists() else []


def find_refund(key: str, order_id: str) -> dict[str, str] | None:
    """Look whether a refund has taken place."""
    return {"paid": order_id} if order_id in list_refunds() else None


@il.idempotent(effect="write", probe=find_refund)
async def refund(order_id: str) -> dict[str, str]:
    """Refund behind the guard."""
    pay(order_id)
    return {"paid": order_id}


async def work_guarded(_: il.Brief) -> dict[str, str]:
    """Refund by the guarded tool."""
    paid: dict[str, str] = await refund("17")
    return paid


async def work_unguarded(_: il.Brief) -> dict[str, str]:
    """Refund one order without a guard and one behind it: run again, the first is paid again."""
    pay("17")
    paid: dict[str, str] = await refund("18")
    return paid


def build_team(agent: object) -> il.Orchestrator:
    """Return a team of one step."""
    step = il.Step(id="refund", worker="clerk", instruction="Refund order 17")
    return il.Orchestrator(
        workers=[il.Worker(name="clerk", agent=agent)],
        planner=il.TaskGraph(goal="Refund", steps=[step]),
        storage="memory://",
    )


def build_unguarded() -> il.Orchestrator:
    """Return the team whose effect happens twice."""
    return build_team(work_unguarded)


def build_guarded() -> il.Orchestrator:
    """Return the team that keeps the promises."""
    return build_team(work_guarded)


async def work_otherwise(_: il.Brief) -> dict[str, int]:
    """Say something else in every life."""
    return {"pid": os.getpid()}


def build_moody() -> il.Orchestrator:
    """Return the team whose outputs are never the same."""
    return build_team(work_otherwise)


def build_broken() -> il.Orchestrator:
    """Fail before there is a team."""
    raise RuntimeError("no shop here")


@il.idempotent(effect="write")
async def refund_unseen(order_id: str) -> dict[str, str]:
    """Refund behind a guard that cannot look whether a refund has taken place."""
    pay(order_id)
    return {"paid": order_id}


async def work_unseen(_: il.Brief) -> list[str]:
    """Refund several orders, one after the other."""
    return [(await refund_unseen(order_id))["paid"] for order_id in ("17", "18", "19", "20")]


def build_unseen() -> il.Orchestrator:
    """Return the team that must ask a person after some of the kills."""
    return build_team(work_unseen)
