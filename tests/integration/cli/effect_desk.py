"""Teams whose steps pay outside; copied into a folder of its own as `app.py`.

Every payment is a line in `paid.txt`. The first one to each order is made and its answer is lost.
"""

from pathlib import Path

import interlock as il

PAID = Path("paid.txt")


@il.idempotent(irreversible=True)
async def pay_back(order: str, cents: int) -> dict[str, int]:
    """Pay; lose the answer of the first payment to an order."""
    with PAID.open("a", encoding="utf-8") as file:
        file.write(f"{order} {cents}\n")
    count = PAID.read_text("utf-8").splitlines().count(f"{order} {cents}")
    if count == 1:
        raise ConnectionError("the line went dead")
    return {"refund": count}


async def work(brief: il.Brief) -> object:
    """Pay back what the step is named for, and return what came of it."""
    return {"receipt": await pay_back(f"#{brief.step_id}", 5000)}


def build(*step_ids: str) -> il.Orchestrator:
    """Return a team that takes these steps."""
    steps = [il.Step(id=one, worker="clerk", instruction="Pay back") for one in step_ids]
    return il.Orchestrator(
        workers=[il.Worker(name="clerk", agent=work, description="Pays back", tools=(pay_back,))],
        planner=il.TaskGraph(goal="Pay back", steps=steps),
        storage="sqlite:///desk.db",
    )


desk = build("refund")
two = build("refund", "bonus")
