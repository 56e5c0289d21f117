"""One turn of the model, read: which steps it asks for, or the answer that ends the run.

A model proposes inside a closed set; what is outside of it is a problem in words, for the next
time that it is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage

from interlock.contracts.criteria import Criterion
from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.fallback import skip
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.outcome import StepOutcome
from interlock.contracts.plain import parse_plain, thaw
from interlock.contracts.plan import Need, Step
from interlock.supervisor.handoff_tools import ASSIGN, Toolbox, read_task

ANSWER: Final = StepId("answer")
"""The step whose output is the supervisor's own last word."""

ANSWER_WORKER: Final = WorkerName("supervisor_answer")
ACTION_WORKER: Final = WorkerName("supervisor_tools")
_GAP_CHARS: Final = 200
_SAID_BLOCKS: Final = frozenset({"text", "reasoning", "thinking", "redacted_thinking"})
"""Blocks that are kept beside a call; the call itself is told by its step, under the step's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a turn came to.

    Attributes:
        steps: New ones, in the order of the calls.
        said: What the model said beside them: text, or blocks of text and reasoning.
        answer: The text that ends the run; None while it goes on.
        forwarded: The step whose text is that answer instead.
    """

    steps: tuple[Step, ...] = ()
    said: str | list[Any] = ""
    answer: str | None = None
    forwarded: StepId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionReader:
    """Reads the turns of one run.

    Attributes:
        toolbox: What may be called.
        criteria: Agent to what its results must satisfy.
        request: What the person said last: the task of a handoff that states none.
    """

    toolbox: Toolbox
    criteria: Mapping[str, Sequence[Criterion]]
    request: str

    def read(
        self, message: AIMessage, *, turn: int, outcomes: Mapping[StepId, StepOutcome]
    ) -> Decision:
        """Return what a message of the model asks for.

        Args:
            message: The model's.
            turn: Which one of the run, from 1.
            outcomes: What has settled so far.

        Raises:
            PlanError: It asks for what is not there, or for nothing; all problems at once.
        """
        problems = [
            PlanProblem(
                "bad_call", f"The call of {call['name']!r} has arguments that are no JSON object."
            )
            for call in message.invalid_tool_calls
        ]
        steps: list[Step] = []
        forwarded: StepId | None = None
        for number, call in enumerate(message.tool_calls, start=1):
            try:
                if self.toolbox.is_forward(call["name"]):
                    forwarded = self._find_forwarded(call["args"], outcomes)
                else:
                    step_id = StepId(f"t{turn}_{number}")
                    steps.append(self._build_step(step_id, call, outcomes))
            except PlanError as exc:
                problems.extend(exc.problems)
        if problems:
            raise PlanError(problems)
        if steps:  # a result is forwarded once nothing is left to do
            return Decision(steps=tuple(steps), said=_read_said(message))
        if forwarded is not None:
            return Decision(forwarded=forwarded)
        if not message.text.strip():
            raise _refuse("empty", "The answer was empty. Call a tool, or answer in text.")
        return Decision(answer=message.text)

    def _build_step(
        self, step_id: StepId, call: Mapping[str, Any], outcomes: Mapping[StepId, StepOutcome]
    ) -> Step:
        name, arguments = call["name"], call["args"]
        if name in self.toolbox.actions:
            return _build_action(step_id, name, arguments)
        agent = self._find_agent(name, arguments)
        worker = self.toolbox.agents[agent].name
        task = read_task(arguments) or self.request
        uses = _read_uses(arguments, outcomes)
        return Step(
            id=step_id,
            worker=worker,
            instruction=task,
            needs=tuple(Need(step=used, accept_degraded=True) for used in uses),
            inputs=_name_inputs(uses, outcomes),
            criteria=tuple(self.criteria.get(agent, ())),
            fallback=(skip(gap=f"{agent} could not do: {_shorten(task)}"),),
        )

    def _find_agent(self, name: str, arguments: Mapping[str, Any]) -> str:
        if name in self.toolbox.handoffs:
            return self.toolbox.handoffs[name]
        if name != ASSIGN or self.toolbox.handoffs:
            raise _refuse(
                "unknown_tool",
                f"There is no tool {name!r}. Tools: {', '.join(self.toolbox.names)}.",
            )
        agent = arguments.get("worker")
        if agent not in self.toolbox.agents:
            raise _refuse(
                "unknown_worker",
                f"There is no worker {agent!r}. Workers: {', '.join(self.toolbox.agents)}.",
            )
        return str(agent)

    def _find_forwarded(
        self, arguments: Mapping[str, Any], outcomes: Mapping[StepId, StepOutcome]
    ) -> StepId:
        wanted = str(arguments.get("from_agent", ""))
        workers = {
            worker.name
            for agent, worker in self.toolbox.agents.items()
            if wanted.lower() in {agent.lower(), worker.name.lower()}
        }
        found = [step for step in list_results(outcomes) if outcomes[step].worker in workers]
        if not found:
            raise _refuse(
                "nothing_to_forward",
                f"There is no result of {wanted!r} to forward. Assign a task first.",
            )
        return found[-1]


def list_results(outcomes: Mapping[StepId, StepOutcome]) -> list[StepId]:
    """Return the steps that have a value which another step can use, oldest first."""
    usable = [
        step for step, outcome in outcomes.items() if outcome.status in {"accepted", "degraded"}
    ]
    return sorted(usable, key=order_step)


def order_step(step_id: str) -> tuple[int, int]:
    """Return where a step stands in the conversation; the answer comes last."""
    if step_id == ANSWER:
        return (2**62, 0)
    turn, _, number = step_id.removeprefix("t").partition("_")
    return (int(turn), int(number))


def _read_said(message: AIMessage) -> str | list[Any]:
    """Return what a message says beside its calls, fit to be kept; empty if that is nothing."""
    if isinstance(message.content, str):
        return message.content if message.content.strip() else ""
    kept = [
        block
        for block in message.content
        if isinstance(block, str) or block.get("type") in _SAID_BLOCKS
    ]
    plain: Any = thaw(parse_plain(kept))
    return plain or ""


def _build_action(step_id: StepId, name: str, arguments: Mapping[str, Any]) -> Step:
    return Step(
        id=step_id,
        worker=ACTION_WORKER,
        instruction=f"Call the tool {name!r}",
        inputs={},
        arguments={"tool": name, "arguments": dict(arguments)},
        fallback=(skip(gap=f"the tool {name} failed"),),
    )


def _read_uses(
    arguments: Mapping[str, Any], outcomes: Mapping[StepId, StepOutcome]
) -> list[StepId]:
    given = arguments.get("uses") or []
    wanted = [given] if isinstance(given, str) else list(given)
    known = list_results(outcomes)
    unknown = [use for use in wanted if use not in known]
    if unknown:
        raise _refuse(
            "unknown_result",
            f"`uses` names {unknown}, which are no results. Results: {', '.join(known) or 'none yet'}.",
        )
    return list(dict.fromkeys(StepId(use) for use in wanted))


def _name_inputs(uses: Sequence[StepId], outcomes: Mapping[StepId, StepOutcome]) -> dict[str, str]:
    """Return the results by whose they are: what an agent is sent must not tell how many went before."""
    named: dict[str, str] = {}
    for used in uses:
        worker = outcomes[used].worker or "result"
        taken = sum(name == worker or name.startswith(f"{worker}_") for name in named)
        named[f"{worker}_{taken + 1}" if taken else worker] = f"{used}.text"
    return named


def _refuse(code: str, message: str) -> PlanError:
    return PlanError([PlanProblem(code, message)])


def _shorten(text: str) -> str:
    return text if len(text) <= _GAP_CHARS else f"{text[: _GAP_CHARS - 3]}..."
