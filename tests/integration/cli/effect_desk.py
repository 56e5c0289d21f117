"""A team whose step pays outside; copied into a folder of its own as `pay.py`.

Every payment is a line in `paid.txt`. The first one is made and its answer is lost.
"""

from pathlib import Path

import interlock as il

PAID = Path("paid.txt")


@il.idempotent(irreversible=True)
async def pay_back(order: str, cents: int) -> dict[str, int]:
    """Pay; lose the answer of the first payment."""
    with PAID.open("a", encoding="utf-8") as file:
        file.write(f"{order} {cents}\n")
    count = len(PAID.read_text("utf-8").splitlines())
    if count == 1:
        raise ConnectionError("the line went dead")
    return {"refund": count}


async def work(brief: il.Brief) -> object:
    """Pay back, and return what came of it."""
    return {"receipt": await pay_back("#W1", 5000)}


desk = il.Orchestrator(
    workers=[il.Worker(name="clerk", agent=work, description="Pays back", tools=(pay_back,))],
    planner=il.TaskGraph(
        goal="Pay back", steps=[il.Step(id="refund", worker="clerk", instruction="Pay back")]
    ),
    storage="sqlite:///desk.db",
)
