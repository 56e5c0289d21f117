"""Telemetry fails in silence, so that no run stops for it; in the tests it is heard."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def telemetry_failures(
    caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Fail a test in which telemetry failed or OpenTelemetry complained, unless it wants that."""
    yield
    if "breaks_telemetry" in request.fixturenames:
        return
    heard = [
        record.getMessage()
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.name.startswith(("interlock.telemetry", "opentelemetry"))
        and record.levelno >= logging.WARNING
    ]
    assert heard == []


@pytest.fixture
def breaks_telemetry() -> None:
    """Mark a test in which telemetry fails on purpose."""
