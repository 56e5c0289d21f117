"""A team whose handoffs are replayed from a shell, as a user's `shop.py` declares it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import interlock as il

HOSTILE = '"""\n\x1b[2J{secret}\\ \'+__import__("os").abort()+\'\u202e\x00'


@il.idempotent()
async def refund(order: str, cents: int) -> dict[str, Any]:
    """Pay; every payment is a line in a file."""
    with Path("paid.txt").open("a", encoding="utf-8") as file:
        file.write(f"{order} {cents}\n")
    return {"receipt": f"{order}-{cents}", "token": "s3cret"}


async def pay(brief: il.Brief) -> dict[str, Any]:
    """Pay, and say how often there was feedback."""
    receipt = await refund("o1", 50)
    return {"receipt": receipt, "ok": bool(brief.feedback), "said": HOSTILE}


async def better(brief: il.Brief) -> dict[str, Any]:
    """Be accepted at once."""
    return {"ok": True, "customer": {"name": "Ada", "email": "ada@example.org"}}


def worse(brief: il.Brief) -> dict[str, Any]:
    """Be refused, without a receipt."""
    return {"ok": False}


desk = il.Orchestrator(
    workers=[il.Worker(name="pay", agent=pay), il.Worker(name="better", agent=better)],
    planner=il.TaskGraph(
        goal="Pay",
        steps=[
            il.Step(id="look", worker="better", instruction=HOSTILE),
            il.Step(
                id="pay",
                worker="pay",
                instruction="Pay",
                needs=["look"],
                criteria=[
                    il.expr("output.ok || output.receipt.token == 'none'", message="is not ok")
                ],
                retry=il.Retry(max_attempts=2, backoff=timedelta(0)),
            ),
        ],
    ),
    storage="sqlite:///desk.db",
)


async def run() -> None:
    """Run it twice."""
    async with desk:
        for thread in ("t1", "t2"):
            await desk.ainvoke("Pay", thread_id=thread)


if __name__ == "__main__":
    asyncio.run(run())
