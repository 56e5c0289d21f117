"""Calls of the examples."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.examples.example_calls import ExampleCalls


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[ExampleCalls]:
    """Calls of the examples; what still runs ends with the test."""
    opened = ExampleCalls(tmp_path)
    yield opened
    opened.close()
