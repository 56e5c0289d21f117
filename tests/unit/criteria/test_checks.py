"""Registered checks: whatever they do, a finding comes out and nothing else breaks."""

import asyncio
import threading
from typing import Any

import pytest
from langgraph.errors import GraphDrained, GraphInterrupt, ParentCommand
from langgraph.types import Command

import interlock as il
from interlock.criteria.registered_checks import run_check
from tests.unit.criteria.briefs import BRIEF, review


async def ask(check: Any, output: Any = None) -> il.Finding:
    """Return what a check finds on an output."""
    (finding,) = await review(output, il.check("c"), checks={"c": check})
    return finding


class AsyncCheck:
    """A check that is an object."""

    async def __call__(self, output: Any, brief: il.Brief) -> bool:
        """Return whether the output is the limit."""
        return bool(output == brief.inputs["limit"])


async def is_limit(output: Any, brief: il.Brief) -> bool:
    """Return whether the output is the limit."""
    return bool(output == brief.inputs["limit"])


def is_limit_sync(output: Any, brief: il.Brief) -> bool:
    """Return whether the output is the limit."""
    return bool(output == brief.inputs["limit"])


def is_limit_later(output: Any, brief: il.Brief) -> Any:
    """Return an awaitable that says whether the output is the limit."""
    return is_limit(output, brief)


@pytest.mark.parametrize("check", [is_limit, is_limit_sync, is_limit_later, AsyncCheck()])
async def test_a_check_of_any_form_decides(check: Any) -> None:
    """Functions, sync and async, and callable objects see the output and the brief."""
    passed = await ask(check, 3)
    assert passed == il.Finding(criterion="passes the check c", passed=True, kind="check")
    failed = await ask(check, 4)
    assert (failed.passed, failed.message, failed.evidence) == (
        False,
        "check 'c' did not pass",
        4,
    )


async def test_a_checks_own_finding_is_kept() -> None:
    """A check may say in its own words what is wrong and what it saw; the criterion is added."""
    own = il.Finding(passed=False, message="Too long", evidence={"words": [700, None]})
    assert await ask(lambda o, b: own) == own.model_copy(
        update={"criterion": "passes the check c", "kind": "check"}
    )
    named = own.model_copy(update={"criterion": "short"})
    assert await ask(lambda o, b: named) == named.model_copy(update={"kind": "check"})


async def test_a_check_sees_a_frozen_output_and_the_brief_of_the_attempt() -> None:
    """A check that changes what it judges fails, and the output stays as it was."""
    output = {"items": [1]}

    def change(seen: Any, brief: il.Brief) -> bool:
        assert brief is BRIEF
        seen["items"].append(2)
        return True

    finding = await ask(change, output)
    assert not finding.passed
    assert "read-only" in finding.message
    assert output == {"items": [1]}


class SilentError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def raise_it(error: BaseException) -> Any:
    """Return a check that raises."""

    def check(output: Any, brief: il.Brief) -> bool:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("price"), "check 'c' raised KeyError: 'price'"),
        (ValueError("bad \ud800"), "check 'c' raised ValueError: bad ?"),
        (SilentError(), "check 'c' raised SilentError: (its message cannot be shown"),
        (StopIteration(), "check 'c' raised RuntimeError: the function raised StopIteration"),
        (SystemExit(3), "check 'c' raised SystemExit: 3"),
        (RecursionError("deep"), "check 'c' raised RecursionError: deep"),
        (ExceptionGroup("two", [ValueError("a")]), "check 'c' raised ExceptionGroup: two"),
    ],
)
async def test_a_check_that_raises_is_a_failed_finding(error: BaseException, words: str) -> None:
    """It names the check and the error, shows the output, and never ends the run."""
    finding = await ask(raise_it(error), {"a": 1})
    assert not finding.passed
    assert finding.message.startswith(words)
    assert finding.evidence == {"a": 1}
    finding.model_dump_json()


async def test_an_async_check_that_cancels_itself_is_a_failed_finding() -> None:
    """A cancellation that nobody asked for is the check's own failure."""

    async def check(output: Any, brief: il.Brief) -> bool:
        raise asyncio.CancelledError

    finding = await ask(check)
    assert finding.message.startswith("check 'c' raised CancelledError")


@pytest.mark.parametrize("junk", [None, 1, 0, "yes", [], (True, "why"), object(), float("nan")])
async def test_a_check_that_returns_junk_is_a_failed_finding(junk: Any) -> None:
    """Only True, False and findings count: a truthy object decides nothing."""
    finding = await ask(lambda o, b: junk)
    assert not finding.passed
    assert "it must return a bool or a Finding" in finding.message


@pytest.mark.parametrize(
    "evidence", [lambda: 1, 2**70, "a\ud800", float("nan"), object(), "x" * 10_000_000]
)
async def test_evidence_that_no_checkpoint_can_hold_is_told_in_words(evidence: Any) -> None:
    """The finding can be stored whatever a check attached to it."""
    finding = await ask(lambda o, b: il.Finding(passed=False, message="\udfff", evidence=evidence))
    assert isinstance(finding.evidence, str)
    assert len(finding.evidence) < 300
    assert finding.message == "?"
    finding.model_dump_json()


async def test_a_check_that_blocks_does_not_hold_up_the_others() -> None:
    """Forty sync checks wait for each other at once, beside a loop that goes on."""
    together = threading.Barrier(40)

    def wait(output: Any, brief: il.Brief) -> bool:
        together.wait(20)
        return True

    async with asyncio.timeout(30):
        findings = await asyncio.gather(*(ask(wait) for _ in range(40)))
    assert all(finding.passed for finding in findings)


@pytest.mark.parametrize(
    "signal",
    [
        GraphInterrupt(),
        ParentCommand(Command(goto="promote", graph=Command.PARENT)),
        GraphDrained(),
    ],
    ids=lambda signal: type(signal).__name__,
)
async def test_a_check_that_raises_a_signal_of_langgraphs_is_a_failed_finding(signal: Any) -> None:
    """A check neither pauses nor steers the run: each way round the review is a refusal."""

    async def check(output: Any, brief: il.Brief) -> bool:
        raise signal

    for one in (check, raise_it(signal)):
        finding = await ask(one)
        assert not finding.passed
        assert finding.message.startswith(f"check 'c' raised {type(signal).__name__}: a check ne")


@pytest.mark.parametrize("is_draining", [True, False])
async def test_a_check_whose_graph_drains_with_the_run_decides_nothing(is_draining: bool) -> None:
    """The run's own drain passes through, so that the check is asked again on resume."""
    call = run_check("c", raise_it(GraphDrained()), 1, BRIEF, is_draining=lambda: is_draining)
    if is_draining:
        with pytest.raises(GraphDrained):
            await call
    else:
        assert not (await call).passed


class _PanicError(BaseException):
    """What is no Exception, as a panic in an extension module."""


async def test_an_async_check_that_panics_is_a_failed_finding() -> None:
    """What is not even an Exception is the check's failure too."""

    async def check(output: Any, brief: il.Brief) -> bool:
        raise _PanicError("rust")

    assert (await ask(check)).message.startswith("check 'c' raised _PanicError: rust")


async def test_a_cancelled_review_is_cancelled() -> None:
    """Cancellation from outside is never turned into a finding."""
    started = asyncio.Event()

    async def check(output: Any, brief: il.Brief) -> bool:
        started.set()
        await asyncio.Event().wait()
        return True

    task = asyncio.ensure_future(ask(check))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_check_that_is_not_registered_cannot_be_decided() -> None:
    """A plan from another release may name a check that is gone."""
    (finding,) = await review(1, il.check("gone"))
    assert finding.message == "could not be decided: check 'gone' is not registered"
    assert not finding.passed


def test_sync_checks_leave_the_process_free_to_end() -> None:
    """A check's thread is a daemon: one that hangs holds up nobody at exit."""
    seen: list[bool] = []

    def look(output: Any, brief: il.Brief) -> bool:
        seen.append(threading.current_thread().daemon)
        return True

    before = set(threading.enumerate())
    assert asyncio.run(ask(look)).passed
    assert seen == [True]
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("asyncio_")]
