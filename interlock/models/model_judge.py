"""A judge that is a model: it reads one output under one rubric, and answers in a closed set."""

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Final, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, ConfigDict, Field

from interlock.contracts.judging import Judgement, JudgeRequest
from interlock.contracts.plain import Plain, thaw
from interlock.models.answer_methods import Method
from interlock.models.patient_calls import CallLimits
from interlock.models.structured import StructuredModel
from interlock.prompts import get_prompt_version, load_prompt

_LIMITS: Final = CallLimits(timeout=timedelta(minutes=1))


class JudgeAnswer(BaseModel):
    """What a judge says; bounded, so that no model runs on.

    In the order in which a model writes it: first it looks, then it decides.
    """

    model_config = ConfigDict(extra="forbid")

    evidence: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=5)]
    reason: Annotated[str, Field(max_length=600)]
    verdict: Literal["pass", "fail", "undecided"]


class ModelJudge:
    """Judges with a chat model; implements `interlock.Judge`.

    An answer that cannot be used, or a call that fails, raises; the panel counts it as undecided.
    """

    def __init__(
        self,
        *,
        model: BaseChatModel | str,
        name: str = "judge",
        method: Method = "auto",
        limits: CallLimits = _LIMITS,
    ) -> None:
        """Take a model and how to ask it.

        Args:
            model: A chat model, or `provider:model` such as `openai:gpt-4.1`.
            name: What rubrics call it.
            method: How it is told the shape of its answer; `auto` takes the best that it knows.
            limits: Time for one question, and how often a call that fails on its way is repeated.
        """
        self._asked = StructuredModel(model, method=method, limits=limits)
        self._name = name

    @property
    def name(self) -> str:
        """What rubrics call it."""
        return self._name

    def describe(self) -> dict[str, str]:
        """Return which model and which prompt judge, for records."""
        return {"model": self._asked.name, "prompt": f"judge/{get_prompt_version('judge')}"}

    async def judge(self, request: JudgeRequest) -> Judgement:
        """Return what the model says.

        Raises:
            ModelAnswerError: Its answer cannot be used.
            ModelCallError: No call came back in time.
            ModelRequestError: The provider refuses the request.
        """
        answered = await self._asked.ask([HumanMessage(render_judge_request(request))], JudgeAnswer)
        said = answered.value
        return Judgement(verdict=said.verdict, reason=said.reason, evidence=tuple(said.evidence))


def render_judge_request(request: JudgeRequest) -> str:
    """Return all that a judge is shown as one message, each part of it between tags.

    The tags' mark is drawn from all that is shown, so that none of it can contain it: neither an
    output nor a rubric that a model planned ends its part and begins another.
    """
    others = [line for line in request.criteria if line != request.rubric]
    inputs, output = thaw(request.inputs), thaw(request.output)
    shown = [request.rubric, others, inputs, output]
    text = json.dumps(shown, ensure_ascii=False, sort_keys=True)
    mark = hashlib.sha256(text.encode()).hexdigest()[:12]
    parts = [("rubric", request.rubric)]
    if others:
        parts.append(("judged-elsewhere", "\n".join(f"- {line}" for line in others)))
    if inputs:
        parts.append(("inputs", _word_value(inputs)))
    parts.append(("work", _word_value(output)))
    sections = "\n".join(f"\n<{name} {mark}>\n{words}\n</{name} {mark}>" for name, words in parts)
    return load_prompt("judge").substitute(mark=mark, sections=sections).strip()


def _word_value(value: Plain) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
