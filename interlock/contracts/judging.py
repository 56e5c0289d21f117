"""Judges: who reads a rubric, what they are shown, and what they may say."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.plain import FrozenDict, Plain

JudgeVerdict: TypeAlias = Literal["pass", "fail", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRequest:
    """All that a judge is shown; deep-frozen.

    Attributes:
        rubric: What to decide.
        output: What the worker handed over.
        criteria: All that the output must satisfy, in words, the rubric among them.
        inputs: What the step declares as its inputs, by name.
    """

    rubric: str
    output: Plain
    criteria: tuple[str, ...] = ()
    inputs: FrozenDict = field(default_factory=FrozenDict)


class Judgement(FrozenModel):
    """What one judge says of one output under one rubric.

    Attributes:
        verdict: Whether it satisfies the rubric; `undecided` if that cannot be told.
        reason: Why, or what to change.
        evidence: Quotes from the output or the inputs, word for word. One that occurs in neither
            is not believed; a judgement that has no other is taken for undecided.
    """

    verdict: JudgeVerdict
    reason: str = ""
    evidence: tuple[str, ...] = ()


@runtime_checkable
class Judge(Protocol):
    """An object that judges, such as a `ModelJudge`."""

    @property
    def name(self) -> str:
        """What rubrics call it."""
        ...

    async def judge(self, request: JudgeRequest) -> Judgement:
        """Return whether the output satisfies the rubric; whatever it raises is undecided."""
        ...


JudgeLike: TypeAlias = (
    Judge | Callable[[JudgeRequest], Judgement | bool | Awaitable[Judgement | bool]]
)
"""A judge, or a function (sync or async) of the request, known by its own name."""

Judges: TypeAlias = Mapping[str, JudgeLike] | Sequence[JudgeLike]


def list_quotes(evidence: Plain) -> list[str] | None:
    """Return what judges quoted who did not pass a rubric, each once; None if it is no such evidence.

    Args:
        evidence: Of a finding.
    """
    if not isinstance(evidence, list) or not evidence:
        return None
    quotes: dict[str, None] = {}
    for one in evidence:
        if not isinstance(one, dict) or not {"judge", "verdict"} <= one.keys():
            return None
        if one["verdict"] != "pass":
            quotes.update(dict.fromkeys(one["evidence"]))
    return list(quotes)
