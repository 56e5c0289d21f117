"""Fixtures of the demonstration's tests: a shop filled from the packaged data."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interlock.contracts.brief import Brief, Scratchpad
from interlock.contracts.ids import StepId
from interlock.contracts.plain import freeze
from interlock.demo.packaged_data import DATA_FOLDER, TICKETS_FILE
from interlock.demo.shop import Shop
from interlock.demo.tickets import TicketFile, load_tickets


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Return a shop in its initial state, to be copied and not changed."""
    path = tmp_path_factory.mktemp("template") / "shop.db"
    with Shop.create(path, data=DATA_FOLDER) as shop:
        yield shop


@pytest.fixture
def shop(template: Shop, tmp_path: Path) -> Iterator[Shop]:
    """Return a shop of the test's own."""
    with template.copy_to(tmp_path / "shop.db") as copy:
        yield copy


@pytest.fixture(scope="session")
def packaged() -> TicketFile:
    """Return the packaged tickets."""
    return load_tickets(TICKETS_FILE)


@pytest.fixture
def make_brief() -> Callable[..., Brief]:
    """Return a function from inputs to a deep-frozen brief."""

    def make(**inputs: object) -> Brief:
        return Brief(
            step_id=StepId("s"),
            attempt=1,
            instruction="",
            inputs=freeze(inputs),
            context=freeze({}),
            scratchpad=Scratchpad(),
        )

    return make
