"""What client libraries' errors say of an answer: its status, and how long to wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import interlock as il
from interlock.contracts.call_failures import counts_as_failure, find_status
from interlock.contracts.retry_after import find_retry_after


def fail_with(**fields: Any) -> Exception:
    """Return an error with fields, as a client library's has."""
    error = RuntimeError("no")
    for name, value in fields.items():
        setattr(error, name, value)
    return error


def build_botocore(status: int, **headers: str) -> Exception:
    """Return an error as botocore's ClientError is built."""
    about = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    return fail_with(response={"Error": {}, "ResponseMetadata": about})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (fail_with(status_code=429), 429),
        (fail_with(response=httpx.Response(503)), 503),
        (fail_with(status=404), 404),
        (fail_with(code=400), 400),  # google-api-core, google-genai
        (build_botocore(400), 400),
        (fail_with(code=1), None),  # of a process
        (fail_with(code="invalid_request"), None),
        (fail_with(status=True), None),
        (fail_with(response="gone"), None),
        (fail_with(response={"ResponseMetadata": "gone"}), None),
    ],
)
def test_the_status_is_found(error: Exception, status: int | None) -> None:
    """Whatever the library; and what is the caller's own fault opens no breaker."""
    assert find_status(error) == status
    is_callers = status in {400, 404}
    assert counts_as_failure(error, il.Breaker()) is not is_callers


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (fail_with(response=httpx.Response(429, headers={"Retry-After": "7"})), 7),
        (fail_with(headers={"Retry-After": "7"}), 7),  # aiohttp
        (fail_with(response=SimpleNamespace(headers={"RETRY-AFTER": "7"})), 7),
        (fail_with(headers={"Retry-After-Ms": "1500", "Retry-After": "2"}), 1.5),
        (build_botocore(429, **{"retry-after": "7"}), 7),
        (fail_with(headers=["Retry-After", "7"]), None),
        (fail_with(headers=[("Retry-After", "7")]), None),
        (fail_with(headers="Retry-After: 7"), None),
        (fail_with(headers=7), None),
        (fail_with(headers={"Retry-After": "soon"}), None),
        (fail_with(headers={"Retry-After": "-3"}), 0),
        (fail_with(headers={"Retry-After": "nan"}), None),
    ],
)
def test_how_long_to_wait_is_found(error: Exception, seconds: float | None) -> None:
    """Whatever the library keeps headers in; foreign shapes say nothing, and raise nothing."""
    assert find_retry_after(error) == seconds


def test_a_date_is_read_against_the_answers_own_or_this_machines_clock() -> None:
    """Clocks need not agree where the answer says its own time."""
    now = datetime.now(UTC)
    later = format_datetime(now + timedelta(seconds=60), usegmt=True)
    own = format_datetime(now + timedelta(seconds=50), usegmt=True)
    assert find_retry_after(fail_with(headers={"Retry-After": later, "Date": own})) == 10
    waited = find_retry_after(fail_with(headers={"Retry-After": later}))
    assert waited is not None
    assert 0 < waited <= 60
