"""The demonstration's cases: the packaged tickets, once each, with one trouble of each kind."""

from collections import Counter
from typing import get_args

from interlock.contracts.worker import PlanRequest
from interlock.demo.cases import CASES, Trouble
from interlock.demo.house_rules import HouseRules
from interlock.demo.ticket_planner import TicketPlanner
from interlock.demo.tickets import TicketFile

_WIDEST_WISH = 30


def test_every_packaged_ticket_is_one_case(packaged: TicketFile) -> None:
    """No ticket is left out or shown twice, and each wish fits its column."""
    assert Counter(case.ticket_id for case in CASES) == Counter(t.id for t in packaged.tasks)
    assert all(0 < len(case.wish) <= _WIDEST_WISH for case in CASES)


def test_each_trouble_befalls_one_case() -> None:
    """There is one case of every kind of trouble."""
    troubles = Counter(case.trouble for case in CASES if case.trouble is not None)
    assert troubles == Counter(get_args(Trouble))


async def test_trouble_is_at_a_step_of_the_plan(packaged: TicketFile) -> None:
    """The step that a case names is a step of its ticket's plan."""
    planner = HouseRules(TicketPlanner(packaged.tasks))
    for case in CASES:
        request = PlanRequest(goal="", workers=(), context={"ticket_id": case.ticket_id})
        steps = (await planner.plan(request)).index_steps()
        assert (case.trouble is None) == (case.step_id is None)
        assert case.step_id is None or case.step_id in steps
