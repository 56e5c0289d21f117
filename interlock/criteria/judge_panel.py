"""The panel: judges asked about one rubric, and what their judgements come to.

Judges propose inside a closed set; code decides. A judge that fails, answers too late, or rests on
quotes that nobody said has decided nothing. Nothing that a judge does ends a run; only what comes
from outside passes through: a cancellation, and the drain of the run itself.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.errors import GraphBubbleUp

from interlock.contracts.brief import Brief
from interlock.contracts.criteria import Finding, RubricCriterion
from interlock.contracts.judging import Judge, JudgeLike, Judgement, JudgeRequest
from interlock.contracts.near_names import suggest_names
from interlock.contracts.plain import Plain, freeze
from interlock.contracts.safe_words import clean_words, word_error, word_value
from interlock.contracts.thread_call import call_user
from interlock.criteria.evidence_quotes import QuotableText
from interlock.criteria.outside_signals import is_from_outside
from interlock.criteria.side_by_side import run_side_by_side

_WORDS_CHARS = 2000
_SHOWN_CHARS = 200
_MOST_QUOTES = 20
_MEANS = {"pass": "passes", "ask": "is for a person", "fail": "fails"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTerms:
    """Under what a judge is asked.

    Attributes:
        limit_seconds: How long one judge may take; None is no limit.
        is_draining: Says whether the run is asked to stop.
    """

    limit_seconds: float | None = None
    is_draining: Callable[[], bool] | None = None


class JudgePanel:
    """The judges of a team, by name."""

    def __init__(self, judges: Mapping[str, JudgeLike]) -> None:
        """Keep the judges."""
        self._judges = dict(judges)

    def find_problem(self, criterion: RubricCriterion) -> str | None:
        """Return why a rubric can never be decided by this team, or None."""
        if not self._judges:
            return (
                "is a rubric, and this team has no judge to read it. Pass one in judges=, or use "
                "expr, schema or a registered check."
            )
        for name in criterion.judges:
            if name not in self._judges:
                known = suggest_names(name, self._judges)
                return f"asks the judge {name!r}, whom this team does not have. {known}"
        asked = len(self._list_asked(criterion))
        if criterion.quorum is not None and criterion.quorum > asked:
            return f"wants {criterion.quorum} judges to agree and asks {asked}. Lower its quorum."
        return None

    def _list_asked(self, criterion: RubricCriterion) -> list[str]:
        return list(dict.fromkeys(criterion.judges or self._judges))

    async def decide(
        self, criterion: RubricCriterion, output: Plain, brief: Brief, *, terms: CallTerms
    ) -> Finding:
        """Return what the judges come to, all asked at once; their words are its evidence."""
        if (problem := self.find_problem(criterion)) is not None:
            words = f"could not be decided: it {problem}"
            return _apply_default(criterion, words, evidence=None)
        request = JudgeRequest(
            rubric=criterion.text,
            output=freeze(output),
            criteria=brief.criteria,
            inputs=brief.inputs,
        )
        quotable = QuotableText((output, brief.inputs))
        names = self._list_asked(criterion)
        answers = await run_side_by_side(
            _ask(self._judges[name], request, quotable, terms=terms) for name in names
        )
        return _conclude(criterion, dict(zip(names, answers, strict=True)))


@dataclass(frozen=True, slots=True)
class _Heard:
    """A judgement, as far as it can be believed.

    Attributes:
        judgement: With the quotes that were really said.
        unsaid: The others.
    """

    judgement: Judgement
    unsaid: tuple[str, ...] = ()

    @classmethod
    def nothing(cls, words: str, unsaid: Sequence[str] = ()) -> "_Heard":
        """Return a judgement that decides nothing."""
        return cls(Judgement(verdict="undecided", reason=words), tuple(unsaid))


async def _ask(
    judge: JudgeLike, request: JudgeRequest, quotable: QuotableText, *, terms: CallTerms
) -> _Heard:
    """Return one judge's judgement, as far as it can be believed."""
    limit = asyncio.timeout(terms.limit_seconds)
    try:
        async with limit:
            ask: Callable[[JudgeRequest], Any] = judge.judge if isinstance(judge, Judge) else judge
            return _read(await call_user(ask, request), quotable)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:
        if is_from_outside(exc, terms.is_draining):
            raise
        words = f"raised {type(exc).__name__}: {word_error(exc, 500)}"
        if isinstance(exc, GraphBubbleUp):
            words = f"raised {type(exc).__name__}: a judge neither pauses nor steers the run"
    if limit.expired():
        words = f"did not answer within {terms.limit_seconds:g} s, all the time its step has"
    return _Heard.nothing(words)


def _read(answer: object, quotable: QuotableText) -> _Heard:
    """Return a judge's answer as a judgement, without the quotes that nobody said."""
    if isinstance(answer, bool):
        return _Heard(Judgement(verdict="pass" if answer else "fail"))
    if not isinstance(answer, Judgement):
        return _Heard.nothing(
            f"returned {word_value(answer)}; it must return a Judgement or a bool"
        )
    reason = clean_words(answer.reason, _WORDS_CHARS)
    quotes = list(dict.fromkeys(one for one in answer.evidence[:_MOST_QUOTES] if one.strip()))
    found = [quote for quote in quotes if quotable.holds(quote)]
    missed = [quote for quote in quotes if quote not in found]
    held, unsaid = (
        tuple(clean_words(quote, _WORDS_CHARS) for quote in some) for some in (found, missed)
    )
    if unsaid and not held:
        shown = repr(clean_words(missed[0], _SHOWN_CHARS))
        words = f"its evidence {shown} occurs neither in the output nor in the inputs"
        if quotable.has(missed[0]):
            words = f"its evidence {shown} says nothing of its own"
        return _Heard.nothing(f"{words} (it said: {answer.verdict})", unsaid)
    return _Heard(Judgement(verdict=answer.verdict, reason=reason, evidence=held), unsaid)


def _conclude(criterion: RubricCriterion, heard: Mapping[str, _Heard]) -> Finding:
    """Return what judgements come to: what a quorum agrees on, else the declared default."""
    judgements = {name: one.judgement for name, one in heard.items()}
    quorum = criterion.quorum or len(judgements) // 2 + 1
    evidence: Plain = [_dump_heard(name, one) for name, one in heard.items()]
    counts = {
        verdict: sum(judgement.verdict == verdict for judgement in judgements.values())
        for verdict in ("pass", "fail")
    }
    is_split = counts["pass"] >= quorum and counts["fail"] >= quorum
    if counts["pass"] >= quorum and not is_split:
        return Finding(passed=True, evidence=evidence)
    if counts["fail"] >= quorum and not is_split:
        reasons = _word_reasons(judgements, "fail")
        return Finding(passed=False, message=reasons, evidence=evidence)
    asked = len(judgements)
    words = (
        f"could not be decided: {counts['pass']} of {asked} judges passed it, {counts['fail']} "
        f"failed it, {quorum} must agree"
    )
    if reasons := _word_reasons(judgements, "undecided"):
        words = f"{words}; {reasons}"
    return _apply_default(criterion, words, evidence=evidence)


def _dump_heard(name: str, heard: _Heard) -> dict[str, Plain]:
    """Return a judgement for the journal; quotes that are not believed are shown as such."""
    dumped: dict[str, Plain] = {"judge": name, **heard.judgement.model_dump(mode="json")}
    return {**dumped, "not_believed": list(heard.unsaid)} if heard.unsaid else dumped


def _word_reasons(judgements: Mapping[str, Judgement], verdict: str) -> str:
    lines = [
        f"{name}: {judgement.reason or 'no reason given'}"
        for name, judgement in judgements.items()
        if judgement.verdict == verdict
    ]
    return clean_words("; ".join(lines), _WORDS_CHARS)


def _apply_default(criterion: RubricCriterion, words: str, *, evidence: Plain) -> Finding:
    means, default = _MEANS[criterion.undecided], criterion.undecided
    return Finding(
        passed=default == "pass",
        message=f"{words}. Undecided {means}, as declared",
        evidence=evidence,
        asks_person=default == "ask",
        undecided=True,
    )


def name_judges(judges: Sequence[JudgeLike]) -> list[tuple[str, JudgeLike]]:
    """Return judges with the names that rubrics know them by: their own, or their function's."""
    return [
        (judge.name if isinstance(judge, Judge) else getattr(judge, "__name__", ""), judge)
        for judge in judges
    ]
