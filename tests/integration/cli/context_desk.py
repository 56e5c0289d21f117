"""A team on shared context that the command line is tried on; copied into a folder as `app.py`."""

import interlock as il

HOSTILE = "\x1b[2J\x1b]0;owned\x07 [bold]loud[/bold]\rFAKE"


def price(brief: il.Brief) -> dict[str, object]:
    """Offer a price and a hostile note."""
    return {"price": 12, "note": HOSTILE}


def quote(brief: il.Brief) -> dict[str, object]:
    """Offer a total."""
    return {"total": brief.context["price"] * 10}


plan = il.TaskGraph(
    goal="Quote",
    steps=[
        il.Step(
            id="price",
            worker="price",
            instruction="Look it up",
            criteria=[il.expr("output.price > 0", message="positive")],
            publishes={"price": "output.price", "note": "output.note"},
        ),
        il.Step(
            id="quote",
            worker="quote",
            instruction="Sum up",
            needs=["price"],
            context=["price"],
            publishes={"total": "output.total"},
        ),
        il.Step(id="mail", worker="mail", instruction="Send it", needs=["quote"]),
    ],
)
desk = il.Orchestrator(
    workers=[
        il.Worker(name="price", agent=price),
        il.Worker(name="quote", agent=quote),
        il.Worker(name="mail", agent=lambda brief: "sent"),
    ],
    planner=plan,
    context=il.SharedContext(
        facts=[
            il.Fact(name="price", type={"type": "integer"}),
            il.Fact(name="note"),
            il.Fact(name="tier"),
            il.Fact(name="total", space="customer"),
        ],
        invariants=[il.expr("context.price < 100", message="nothing costs more")],
    ),
    storage="sqlite:///desk.db",
)
