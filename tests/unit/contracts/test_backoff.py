"""Waits between attempts: bounded, growing, jittered, and the same on every machine."""

from datetime import timedelta
from statistics import mean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import interlock as il
from interlock.contracts.policy import derive_backoff_seconds

retries = st.builds(
    il.Retry,
    max_attempts=st.integers(1, 10**6),
    backoff=st.timedeltas(timedelta(0), timedelta(days=2)),
    multiplier=st.floats(1, 1e6),
    max_backoff=st.timedeltas(timedelta(0), timedelta(days=2)),
    jitter=st.floats(0, 1),
)


@given(retries, st.integers(1, 10**6), st.text(max_size=5))
def test_a_wait_is_never_negative_and_never_above_its_bound(
    retry: il.Retry, attempt: int, seed: str
) -> None:
    """Whatever the policy and however many attempts, the wait lies between 0 and the bound."""
    wait = derive_backoff_seconds(retry, attempt=attempt, seed=seed)
    assert 0 <= wait <= retry.max_backoff.total_seconds()
    if attempt == 1:
        assert wait <= retry.backoff.total_seconds()


@given(retries, st.integers(1, 50), st.text(max_size=5))
def test_a_wait_is_the_same_for_the_same_seed(retry: il.Retry, attempt: int, seed: str) -> None:
    """A resume on another machine waits for the same instant."""
    first = derive_backoff_seconds(retry, attempt=attempt, seed=seed)
    assert derive_backoff_seconds(retry, attempt=attempt, seed=seed) == first


def test_without_jitter_waits_double_up_to_the_bound() -> None:
    """1, 2, 4, 8, 10, 10 seconds."""
    retry = il.Retry(jitter=0, max_backoff=timedelta(seconds=10))
    waits = [derive_backoff_seconds(retry, attempt=n, seed="s") for n in range(1, 7)]
    assert waits == [1, 2, 4, 8, 10, 10]


def test_jitter_spreads_over_its_whole_share() -> None:
    """Of 1,000 steps that fail together, waits lie evenly between half and all of the backoff."""
    retry = il.Retry(jitter=0.5)
    waits = [derive_backoff_seconds(retry, attempt=1, seed=f"t/{n}") for n in range(1000)]
    assert 0.5 <= min(waits) < 0.51
    assert 0.99 < max(waits) <= 1
    assert abs(mean(waits) - 0.75) < 0.02


@pytest.mark.parametrize(
    "bad",
    [
        {"max_attempts": 0},
        {"backoff": timedelta(seconds=-1)},
        {"multiplier": 0.5},
        {"jitter": 1.1},
        {"max_backoff": timedelta(seconds=-1)},
        {"attempts": 3},
    ],
)
def test_a_policy_that_cannot_work_is_refused(bad: dict[str, Any]) -> None:
    """Zero attempts, negative waits, shrinking waits and unknown fields are errors at once."""
    with pytest.raises(ValidationError):
        il.Retry(**bad)
