"""What a model planner is told when a person asks for another plan."""

from typing import cast

from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.worker import PlanReason, PlanRequest
from interlock.models.plan_prompt import render_plan_request


def test_what_a_person_asks_is_told_in_their_words() -> None:
    """A person's request reaches the model; without one, nothing is said of it."""
    asked = PlanRequest(goal="Ship it", workers=(), reason="person", why="Tell the customer too")
    (message,) = render_plan_request(asked, max_steps=5)
    assert "What a person asks of the next version:\nTell the customer too" in str(message.content)
    (plain,) = render_plan_request(PlanRequest(goal="Ship it", workers=()), max_steps=5)
    assert "What a person asks" not in str(plain.content)


def test_the_trigger_is_told_while_an_answer_is_corrected() -> None:
    """A model that corrects its answer hears still what it was asked for, and how it may answer."""
    before = TaskGraph(goal="g", steps=[Step(id="a", worker="w", instruction="x")])
    for trigger, words in (("abandoned", "abandoned"), ("continue", "Give in `steps` only the")):
        asked = PlanRequest(
            goal="g",
            workers=(),
            reason="invalid",
            trigger=cast("PlanReason", trigger),
            problems=("no",),
            previous=before,
        )
        (message,) = render_plan_request(asked, max_steps=5)
        assert f"Why you are asked again: {trigger}" in str(message.content)
        assert words in str(message.content)
