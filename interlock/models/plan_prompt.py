"""What a model planner is told: the goal, the workers' cards, and why it is asked again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import BaseMessage, HumanMessage

from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import thaw
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.worker import PlanRequest, WorkerCard
from interlock.prompts import load_prompt

_VALUE_CHARS: Final = 400
_CONTEXT_CHARS: Final = 4000
_CHANGE: Final = (
    "Keep what still serves the goal by listing its ids in `keep`. Give in `steps` only steps that "
    "are new or must change. A settled step that you keep is not done again."
)
_WAYS: Final = {
    "continue": "All steps so far have settled and stay. Give in `steps` only the steps to add."
}


def render_plan_request(request: PlanRequest, *, max_steps: int) -> list[BaseMessage]:
    """Return the messages that ask for a plan; never more of a worker than its card."""
    text = load_prompt("planner").substitute(
        max_steps=max_steps,
        workers="\n".join(_word_card(card) for card in request.workers),
        goal=request.goal,
        sections="".join(f"\n{title}:\n{body}\n" for title, body in _list_sections(request)),
    )
    return [HumanMessage(text.strip())]


def _list_sections(request: PlanRequest) -> Iterator[tuple[str, str]]:
    if request.context:
        facts = _dump(thaw(request.context), _CONTEXT_CHARS)
        yield "Facts; a step sees those whose keys it names in `context`", facts
    if request.previous is not None:
        why = request.reason if request.trigger == "first" else request.trigger
        yield f"Why you are asked again: {why}", _WAYS.get(why, _CHANGE)
        yield "The plan so far", _word_plan(request.previous, request.outcomes)
    if request.why is not None:
        yield "What a person asks of the next version", request.why
    if request.problems:
        count = max(request.attempt - 1, 1)
        title = f"Your answer number {count} could not be used. Correct all of this"
        yield title, "\n".join(f"- {problem}" for problem in request.problems)


def _word_card(card: WorkerCard) -> str:
    lines = [f"- {card.name}: {card.description or 'no description'}"]
    shown: Mapping[str, Any] = card.model_dump(exclude_none=True, exclude={"name", "description"})
    lines += [f"  {name.replace('_', ' ')}: {_dump(value, 1500)}" for name, value in shown.items()]
    return "\n".join(lines)


def _word_plan(plan: TaskGraph, outcomes: Mapping[Any, StepOutcome]) -> str:
    """Return the last plan, a line a step: who, what for, and how it ended."""
    return "\n".join(_word_step(step, outcomes.get(step.id)) for step in plan.steps)


def _word_step(step: Step, outcome: StepOutcome | None) -> str:
    needs = ", ".join(need.step for need in step.needs)
    after = f" after {needs}" if needs else ""
    line = f"- {step.id} ({step.worker}{after}): {step.instruction[:_VALUE_CHARS]}"
    if outcome is None:
        return f"{line} -> not settled"
    ended = f"{line} -> {outcome.status}"
    if outcome.reason:
        return f"{ended}: {outcome.reason[:_VALUE_CHARS]}"
    return f"{ended}: {_dump(thaw(outcome.value), _VALUE_CHARS)}"


def _dump(value: object, limit: int) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else f"{text[:limit]}... (cut)"


def list_names(cards: Sequence[WorkerCard]) -> list[Any]:
    """Return the workers' names, each once."""
    return list(dict.fromkeys(card.name for card in cards))


def list_facts(request: PlanRequest) -> list[str]:
    """Return the keys of the shared context that steps may ask for: held, or published by then."""
    old = () if request.previous is None else request.previous.steps
    published = (key for step in old for key in step.publishes)
    return list(dict.fromkeys([*request.context, *published]))
