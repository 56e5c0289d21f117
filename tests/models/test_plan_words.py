"""What a model planner is told when a person asks for another plan."""

from interlock.contracts.worker import PlanRequest
from interlock.models.plan_prompt import render_plan_request


def test_what_a_person_asks_is_told_in_their_words() -> None:
    """A person's request reaches the model; without one, nothing is said of it."""
    asked = PlanRequest(goal="Ship it", workers=(), reason="person", why="Tell the customer too")
    (message,) = render_plan_request(asked, max_steps=5)
    assert "What a person asks of the next version:\nTell the customer too" in str(message.content)
    (plain,) = render_plan_request(PlanRequest(goal="Ship it", workers=()), max_steps=5)
    assert "What a person asks" not in str(plain.content)
