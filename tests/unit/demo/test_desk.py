"""The desk's workers: what each may call, and what the clerk says."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from interlock.checkpoints import open_storage
from interlock.contracts.brief import Brief
from interlock.contracts.errors import PermanentError
from interlock.contracts.plain import parse_plain
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.demo.desk import build_workers
from interlock.demo.shop import Shop
from interlock.demo.ticket_planner import plan_ticket
from interlock.demo.ticket_turns import TicketTurns
from interlock.demo.tickets import Ticket, TicketAction, TicketFile
from interlock.tools.effect_scope import effects

MakeBrief = Callable[..., Brief]

USER = {"user_id": "fatima_johnson_7581"}
CANCEL = {"order_id": "#W8665881", "reason": "no longer needed"}


@pytest.fixture
def workers(shop: Shop) -> dict[str, Worker]:
    """Return the workers by name."""
    return {worker.name: worker for worker in build_workers(shop)}


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    """Return where effects are recorded."""
    async with open_storage("memory://") as opened:
        yield opened


async def test_packaged_tickets_answer_and_end_as_recorded(
    template: Shop,
    packaged: TicketFile,
    make_brief: MakeBrief,
    storage: Storage,
    tmp_path: Path,
) -> None:
    """Every packaged ticket, by the workers, gives the recorded answers and final state."""
    for ticket in packaged.tasks:
        with (
            template.copy_to(tmp_path / "one.db") as shop,
            effects(ledger=storage, scope=ticket.id),
        ):
            by_name = {worker.name: worker for worker in build_workers(shop)}
            answers = {}
            *calls, report = plan_ticket(ticket).steps
            for step, action in zip(calls, ticket.actions, strict=True):
                output = await by_name[step.worker].agent(make_brief(**step.arguments))
                digest = hashlib.sha256(output.answer.encode()).hexdigest()
                assert digest == action.obs_sha256, (ticket.id, step.id)
                answers[step.id] = parse_plain(output)
            written = await by_name["clerk"].agent(make_brief(**answers, **report.arguments))
            assert [action.step for action in written.actions] == [step.id for step in calls]
            assert shop.derive_hash() == ticket.final_db_sha256


def test_packaged_tickets_together_end_in_the_recorded_state(
    shop: Shop, packaged: TicketFile
) -> None:
    """All packaged tickets on one shop end in the state recorded for all of them."""
    for ticket in packaged.tasks:
        for action in ticket.actions:
            shop.call(action.name, action.kwargs)
    assert shop.derive_hash() == packaged.all_final_db_sha256


@pytest.mark.parametrize(
    ("worker", "tool", "arguments"),
    [
        ("records", "cancel_pending_order", CANCEL),
        ("orders", "get_user_details", USER),
        ("orders", "think", {"thought": "hm"}),
        ("records", "fly", {}),
    ],
)
async def test_a_worker_refuses_tools_that_are_not_its_own(
    workers: dict[str, Worker],
    shop: Shop,
    make_brief: MakeBrief,
    worker: str,
    tool: str,
    arguments: dict,
) -> None:
    """A reader cannot write and a writer cannot read; nothing reaches the shop."""
    before = shop.derive_hash()
    with pytest.raises(PermanentError, match="may not call"):
        await workers[worker].agent(make_brief(tool=tool, arguments=arguments))
    assert shop.derive_hash() == before


@pytest.mark.parametrize("inputs", [{}, {"tool": 1, "arguments": {}}, {"tool": "think"}])
async def test_a_brief_without_a_call_is_explained(
    workers: dict[str, Worker], make_brief: MakeBrief, inputs: dict
) -> None:
    """A step that names no call, or nothing to report on, fails for good and says what it needs."""
    for worker in workers.values():
        with pytest.raises(PermanentError, match="Give the step arguments="):
            await worker.agent(make_brief(**inputs))


async def test_answers_tell_records_from_values_and_refusals(
    workers: dict[str, Worker], make_brief: MakeBrief
) -> None:
    """A record is parsed, a plain value is not, and a refusal is called one."""
    ask = workers["records"].agent
    user = await ask(make_brief(tool="get_user_details", arguments=USER))
    assert user.record["email"] in user.answer
    total = await ask(make_brief(tool="calculate", arguments={"expression": "1 + 1"}))
    assert (total.answer, total.record, total.refused) == ("2.0", None, False)
    unknown = await ask(make_brief(tool="get_user_details", arguments={"user_id": "x"}))
    assert (unknown.answer, unknown.refused) == ("Error: user not found", True)


async def test_the_clerk_says_what_was_refused_and_what_is_missing(
    workers: dict[str, Worker], make_brief: MakeBrief
) -> None:
    """Refused and unanswered calls are in the text, and never among what was done."""
    refusal = {
        "tool": "cancel_pending_order",
        "answer": "Error: non-pending order cannot be cancelled",
        "refused": True,
        "record": None,
    }
    calls = [
        {"step": step, "tool": "cancel_pending_order", "arguments": CANCEL}
        for step in ("done", "refused", "missing")
    ]
    report = await workers["clerk"].agent(
        make_brief(
            ticket={"id": "t", "user_id": "u"},
            calls=calls,
            done={**refusal, "answer": "{}", "refused": False, "record": {}},
            refused=refusal,
            missing=None,
        )
    )
    assert [action.outcome for action in report.actions] == ["done", "refused", "missing"]
    assert "The shop refused cancel_pending_order" in report.text
    assert "No answer to cancel_pending_order" in report.text
    assert report.text.count("Cancelled order") == 1


async def test_tickets_on_one_order_take_turns() -> None:
    """Tickets that share an order never overlap; others run at once."""

    def build(key: str, *order_ids: str) -> Ticket:
        calls = tuple(
            TicketAction(name="get_order_details", kwargs={"order_id": order_id})
            for order_id in order_ids
        )
        return Ticket(id=key, user_id=key, instruction="", actions=calls)

    turns, inside, seen = TicketTurns(), set(), set()

    async def answer(ticket: Ticket) -> None:
        async with turns.take(ticket):
            inside.add(ticket.id)
            for _ in range(5):
                await asyncio.sleep(0)
                seen.add(frozenset(inside))
            inside.remove(ticket.id)

    tickets = [build("a", "#1", "#2"), build("b", "#2", "#1"), build("c", "#3")]
    await asyncio.gather(*map(answer, tickets))
    assert not any({"a", "b"} <= together for together in seen)
    assert any({"a", "c"} <= together for together in seen)
