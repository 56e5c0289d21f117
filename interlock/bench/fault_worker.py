"""The worker of the fault campaign: asks a scripted model, books, and goes wrong as it is drawn.

The same for every contender, who says how a booking is made. It counts its own attempts.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult

from interlock.bench.fault_job import Books, Job, JobStep
from interlock.bench.fault_kinds import FaultKind, FaultPlan

Book = Callable[[str], Awaitable[str]]
"""Makes a step's booking and returns its receipt."""


class JobModel(BaseChatModel):
    """Works out a step's cell from a message that holds the step's name and its inputs as JSON."""

    job: Job

    @property
    def _llm_type(self) -> str:
        return "job"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,  # noqa: ANN401 - LangChain's own signature
    ) -> ChatResult:
        del stop, run_manager, kwargs
        asked = json.loads(messages[-1].text)
        step = self.job.index_steps()[asked["step"]]
        text = json.dumps(step.derive_cell(asked["inputs"], receipt=None))
        used = UsageMetadata(
            input_tokens=len(messages[-1].text) // 4,
            output_tokens=len(text) // 4,
            total_tokens=len(messages[-1].text) // 4 + len(text) // 4,
        )
        message = AIMessage(text, usage_metadata=used)
        return ChatResult(generations=[ChatGeneration(message=message)])


@dataclass(slots=True, kw_only=True)
class FaultyWorker:
    """Does the steps of one run.

    Attributes:
        job: The job.
        plan: What goes wrong.
        run: Counts the runs, from 0.
        books: The ledger outside.
        attempts: Of each step, so far.
        losing: Steps whose next entry's answer is lost.
        calls: Calls of the model.
        tokens: That they used.
        overdue: Attempts that ran out of time and were not drawn to: the machine was too slow.
    """

    job: Job
    plan: FaultPlan
    run: int
    books: Books = field(default_factory=Books)
    attempts: Counter[str] = field(default_factory=Counter[str])
    losing: set[str] = field(default_factory=set[str])
    calls: int = 0
    tokens: int = 0
    overdue: int = 0

    def start_anew(self) -> "FaultyWorker":
        """Return a worker of the same run, with the same faults, who has done nothing yet."""
        return FaultyWorker(job=self.job, plan=self.plan, run=self.run)

    async def work(self, step: JobStep, inputs: Mapping[str, Any], *, book: Book) -> object:
        """Try a step once more.

        Raises:
            ConnectionError: Drawn: the worker, its provider or its tool failed.
        """
        self.attempts[step.id] += 1
        kind = self._draw(step, self.attempts[step.id])
        if self.attempts[step.id] > 1 and self._draw(step, self.attempts[step.id] - 1) is None:
            self.overdue += 1  # the last attempt was cut off after all was done
        await _fail_early(kind)
        try:
            return await self._do(step, inputs, book, kind)
        except asyncio.CancelledError:
            self.overdue += 1
            raise

    def _draw(self, step: JobStep, attempt: int) -> FaultKind | None:
        return self.plan.draw(run=self.run, step=step.id, attempt=attempt, has_effect=step.books)

    async def _do(
        self, step: JobStep, inputs: Mapping[str, Any], book: Book, kind: FaultKind | None
    ) -> object:
        cell = json.loads(await self._ask(step, inputs))
        if step.books:
            cell["receipt"] = await self._book(step, book, kind)
        return _spoil(kind, cell, self.job)

    def make_entry(self, step: str) -> str:
        """Book for a step, for real, and return the receipt; called by whoever books.

        Raises:
            ConnectionError: Drawn: it is booked, and the answer is lost.
        """
        receipt = self.books.book(step)
        if step in self.losing:
            self.losing.discard(step)
            raise ConnectionError("the connection was closed before the answer")
        return receipt

    async def _book(self, step: JobStep, book: Book, kind: FaultKind | None) -> str:
        if kind == "no effect":
            return f"r-{step.id}-made-up"
        if kind == "lost answer":
            self.losing.add(step.id)
        try:
            return await book(step.id)
        finally:
            self.losing.discard(step.id)  # a duplicate makes no entry

    async def _ask(self, step: JobStep, inputs: Mapping[str, Any]) -> str:
        needed = {need: inputs.get(need) for need in step.needs}
        asked = json.dumps({"step": step.id, "inputs": needed})
        answer = await JobModel(job=self.job).ainvoke([HumanMessage(asked)])
        self.calls += 1
        self.tokens += answer.usage_metadata["total_tokens"] if answer.usage_metadata else 0
        return answer.text


async def _fail_early(kind: FaultKind | None) -> None:
    match kind:
        case "error":
            raise ConnectionError("the connection was closed")
        case "rate limit":
            raise ConnectionError("429: too many requests")
        case "hung":
            await asyncio.Event().wait()
        case _:
            pass


def _spoil(kind: FaultKind | None, cell: dict[str, Any], job: Job) -> object:
    match kind:
        case None | "error" | "rate limit" | "hung" | "no effect" | "lost answer":
            return cell
        case "garbage":
            return "I have looked into it and all is in order."
        case "cut off":
            text = json.dumps(cell)
            return text[: len(text) // 2]
        case "partial":
            return {name: value for name, value in cell.items() if name != "value"}
        case "other step":
            other = next(step for step in job.steps if step.id != cell["step"])
            return other.derive_cell({}, receipt=cell["receipt"])
        case "wrong value":
            return {**cell, "value": cell["value"] + 1}
        case "unseen value":
            return {**cell, "weight": cell["weight"] + 7}
        case _:
            assert_never(kind)
