"""Registered checks: users' functions, called so that nothing they do ends a run.

A check that raises, returns something else, or hands back a finding that cannot be stored
yields a failed finding that names the check; so does one that raises LangGraph's signals, which
would get past the review (I1). Only what comes from outside passes through: a cancellation, and
the drain of the run itself.
"""

import asyncio
from collections.abc import Callable

from langgraph.errors import GraphBubbleUp

from interlock.contracts.brief import Brief
from interlock.contracts.criteria import Finding
from interlock.contracts.errors import PlainValueError
from interlock.contracts.plain import Plain, freeze, parse_plain
from interlock.contracts.safe_words import clean_words, word_error, word_value
from interlock.contracts.thread_call import call_user
from interlock.contracts.worker import Check
from interlock.criteria.cel_expressions import shorten_evidence
from interlock.criteria.outside_signals import is_from_outside

_WORDS_CHARS = 2000


async def run_check(
    name: str,
    check: Check,
    output: Plain,
    brief: Brief,
    *,
    limit_seconds: float | None = None,
    is_draining: Callable[[], bool] | None = None,
) -> Finding:
    """Return a check's finding on an output; sync checks run in a thread of their own.

    Args:
        name: What the check is registered as.
        check: `(output, brief) -> bool | Finding`, sync or async.
        output: Plain; the check gets a frozen copy.
        brief: What the worker was shown.
        limit_seconds: How long it may take; None is no limit.
        is_draining: Says whether the run is asked to stop; a graph that the check runs stops too.
    """
    limit = asyncio.timeout(limit_seconds)
    try:
        async with limit:
            return _read(name, await call_user(check, freeze(output), brief), output)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:
        if is_from_outside(exc, is_draining):
            raise
        words = _word(exc)
    if limit.expired():
        words = f"did not end within {limit_seconds:g} s, all the time its step has"
    return Finding(
        passed=False,
        message=f"check {name!r} {words}",
        evidence=shorten_evidence(output),
    )


def _word(error: BaseException) -> str:
    if isinstance(error, GraphBubbleUp):
        return (
            f"raised {type(error).__name__}: a check neither pauses nor steers the run. To ask a "
            "person, give the step the fallback ask_person or an approval"
        )
    return f"raised {type(error).__name__}: {word_error(error, 500)}"


def _read(name: str, result: object, output: Plain) -> Finding:
    """Return what a check gave as a finding that can be stored."""
    if isinstance(result, Finding):
        return Finding(
            criterion=clean_words(result.criterion, _WORDS_CHARS),
            passed=result.passed,
            message=clean_words(result.message, _WORDS_CHARS),
            evidence=_read_evidence(result.evidence),
            blames=tuple(clean_words(name, _WORDS_CHARS) for name in result.blames),
        )
    if result is True:
        return Finding(passed=True)
    if result is False:
        return Finding(
            passed=False,
            message=f"check {name!r} did not pass",
            evidence=shorten_evidence(output),
        )
    return Finding(
        passed=False,
        message=f"check {name!r} returned {word_value(result)}; it must return a bool or a Finding",
    )


def _read_evidence(evidence: object) -> Plain:
    try:
        return shorten_evidence(parse_plain(evidence))
    except PlainValueError:
        return word_value(evidence)
