"""A ticket's calls by langgraph-supervisor: its model hands one after the other to a clerk."""

from collections.abc import Sequence

from interlock.bench.original_line import run_line
from interlock.contracts.errors import ConfigurationError
from interlock.demo.bare_calls import BareCalls, BareEnd, Calls, build_retries


async def run_retail_original(bare: BareCalls, calls: Calls, *, tries: int) -> BareEnd:
    """Make the calls in order.

    Args:
        bare: Makes them.
        calls: What is to be called.
        tries: Attempts of each, by the clerk's retry policy.

    Raises:
        ConfigurationError: langgraph-supervisor is not installed.
    """
    steps = list(calls)

    async def work(number: int, before: Sequence[object]) -> object:
        del before
        step = steps[number]
        return await bare.make(step, *calls[step])

    try:
        values = await run_line(steps, work, retry=build_retries(tries), seconds=bare.seconds)
    except ConfigurationError:
        raise
    except Exception:  # noqa: BLE001 - whatever a run without a frame dies of, it says so
        return BareEnd(answers=None, attempts=bare.attempts.total())
    answers = dict(zip(steps, values, strict=False))
    return BareEnd(answers=answers, attempts=bare.attempts.total())
