"""Calls of the examples."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.examples.desk_call import DeskCalls


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskCalls]:
    """Calls of the retail desk; they end with the test and leave no temporary file behind."""
    calls = DeskCalls(tmp_path)
    yield calls
    calls.close()
