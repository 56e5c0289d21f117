"""A run as messages: for the supervisor's model, and for the person who reads the result.

Both are made from the plan and its outcomes alone, so that they are the same after a crash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    ToolCall,
    ToolMessage,
    messages_from_dict,
)

from interlock.contracts.ids import StepId, derive_id
from interlock.contracts.outcome import RunResult, StepOutcome
from interlock.contracts.plain import Plain, thaw
from interlock.contracts.plan import Step, TaskGraph
from interlock.supervisor.decision import ACTION_WORKER, ANSWER, order_step
from interlock.supervisor.handoff_tools import ASSIGN, Toolbox, make_word


def list_turns(plan: TaskGraph) -> list[list[Step]]:
    """Return a plan's steps by the turns in which they were asked for, without the answer."""
    steps = sorted((s for s in plan.steps if s.id != ANSWER), key=lambda s: order_step(s.id))
    return [list(turn) for _, turn in groupby(steps, key=lambda s: order_step(s.id)[0])]


def note_said(notes: Mapping[str, Any], *, turn: int, content: str | list[Any]) -> dict[str, Any]:
    """Return a plan's notes with what the model said beside the calls of a turn, if anything."""
    return {**notes, f"t{turn}": content} if content else dict(notes)


def _find_said(plan: TaskGraph, turn: Sequence[Step]) -> Any:  # noqa: ANN401 - a message's content
    return plan.planner_notes.get(f"t{order_step(turn[0].id)[0]}", "")


def build_transcript(
    plan: TaskGraph, outcomes: Mapping[StepId, StepOutcome], *, toolbox: Toolbox
) -> list[BaseMessage]:
    """Return what the model is told of a run so far: its calls, and what each came to."""
    messages: list[BaseMessage] = []
    for turn in list_turns(plan):
        calls = [build_call(step, toolbox) for step in turn]
        messages.append(AIMessage(_find_said(plan, turn), tool_calls=calls))
        for step in turn:
            text = word_outcome(outcomes.get(step.id))
            messages.append(
                ToolMessage(
                    f"[{step.id}] {text}",
                    tool_call_id=step.id,
                    name=build_call(step, toolbox)["name"],
                )
            )
    return messages


def build_call(step: Step, toolbox: Toolbox) -> ToolCall:
    """Return the call by which the model asked for a step."""
    if step.worker == ACTION_WORKER:
        return ToolCall(
            name=step.arguments["tool"], args=thaw(step.arguments["arguments"]), id=step.id
        )
    agent = find_agent(step, toolbox)
    name = toolbox.name_handoff(agent)
    arguments: dict[str, Any] = {"task": step.instruction}
    if name == ASSIGN:
        arguments = {"worker": agent, **arguments}
    if step.needs:
        arguments["uses"] = [need.step for need in step.needs]
    return ToolCall(name=name, args=arguments, id=step.id)


def find_agent(step: Step, toolbox: Toolbox) -> str:
    """Return the agent that a step was given to."""
    return next(
        (name for name, worker in toolbox.agents.items() if worker.name == step.worker), step.worker
    )


def word_outcome(outcome: StepOutcome | None) -> str:
    """Return a step's result in words; why there is none, if there is none."""
    if outcome is None:
        return "No result: it was not run."
    if outcome.status in {"accepted", "degraded"}:
        return read_text(outcome.value)
    return f"No result ({outcome.status}): {outcome.reason or outcome.gap or 'unknown reason'}"


def read_text(value: Plain) -> str:
    """Return the text of an agent's or a tool's result."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), str):
        return str(value["text"])
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrator:
    """Tells a run as the messages that callers of langgraph-supervisor expect.

    Attributes:
        toolbox: Names tools and agents.
        name: The supervisor's.
        has_handoffs: Whether handoffs are told.
        has_handoffs_back: Whether the way back is told too.
    """

    toolbox: Toolbox
    name: str
    has_handoffs: bool
    has_handoffs_back: bool

    def tell(self, plan: TaskGraph | None, result: RunResult) -> list[BaseMessage]:
        """Return a run's messages, each with an id of its own that a repetition gives again."""
        messages: list[BaseMessage] = []
        if plan is not None:
            for turn in list_turns(plan):
                messages += self._tell_turn(turn, result, said=_find_said(plan, turn))
        messages.append(AIMessage(self._word_end(result), name=self.name))
        return [
            message.model_copy(update={"id": f"{result.thread_id}/{number}"})
            for number, message in enumerate(messages, start=1)
        ]

    def _tell_turn(
        self, turn: Sequence[Step], result: RunResult, *, said: str | list[Any]
    ) -> list[BaseMessage]:
        told = [step for step in turn if self._is_told(step)]
        prefix = result.thread_id
        calls = [build_call(step, self.toolbox) for step in told]
        for call in calls:
            call["id"] = derive_id("call", prefix, call["id"] or "")
        messages: list[BaseMessage] = []
        if calls:
            messages.append(AIMessage(content=said, name=self.name, tool_calls=calls))
        for step, call in zip(told, calls, strict=True):
            text = (
                word_outcome(result.outcomes.get(step.id))
                if step.worker == ACTION_WORKER
                else f"Handed over to {find_agent(step, self.toolbox)}"
            )
            messages.append(ToolMessage(text, tool_call_id=call["id"], name=call["name"]))
        for step in turn:
            if step.worker != ACTION_WORKER:
                messages += self._tell_agent(step, result)
        return messages

    def _is_told(self, step: Step) -> bool:
        if step.worker == ACTION_WORKER:
            return True
        return self.has_handoffs and self.toolbox.is_told(find_agent(step, self.toolbox))

    def _tell_agent(self, step: Step, result: RunResult) -> list[BaseMessage]:
        agent = find_agent(step, self.toolbox)
        outcome = result.outcomes.get(step.id)
        messages = _read_history(outcome, agent=agent)
        if self.has_handoffs_back:
            call_id = derive_id("back", result.thread_id, step.id)
            name = f"transfer_back_to_{make_word(self.name)}"
            call = ToolCall(name=name, args={}, id=call_id)
            messages += [
                AIMessage(f"Handing back to {self.name}", name=agent, tool_calls=[call]),
                ToolMessage(f"Handed back to {self.name}", name=name, tool_call_id=call_id),
            ]
        return messages

    def _word_end(self, result: RunResult) -> str:
        answer = result.outputs.get(ANSWER)
        if answer is not None:
            return read_text(answer)
        reasons = [*([result.reason] if result.reason else []), *result.gaps]
        why = "; ".join(reasons) or "no reason is known"
        return f"There is no answer: the run is {result.status}. {why}"


def _read_history(outcome: StepOutcome | None, *, agent: str) -> list[BaseMessage]:
    value = thaw(outcome.value) if outcome is not None else None
    history = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(history, list):
        return [AIMessage(word_outcome(outcome), name=agent)]
    told: list[BaseMessage] = []
    for message in messages_from_dict(history):
        is_named = isinstance(message, AIMessage)
        told.append(message.model_copy(update={"name": agent}) if is_named else message)
    return told


def list_human_text(messages: Sequence[BaseMessage]) -> str:
    """Return what the person said last."""
    said = [message.text for message in messages if isinstance(message, HumanMessage)]
    return said[-1] if said else ""
