"""What tests of every kind are lent: a real PostgreSQL, started when the first test asks for it."""

import os
from collections.abc import Iterator

import pytest

from tests.postgres.postgres_server import PostgresServer, open_postgres
from tests.postgres.server_binaries import MissingProgramError, find_pooler
from tests.postgres.transaction_pooler import open_pooler


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` means: tests wait for servers and kills, so one more."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return this process's server."""
    with open_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Return the URL of a fresh schema, dropped after the test."""
    schema = postgres.name_schema()
    yield postgres.build_url(schema)
    postgres.drop_schema(schema)
    postgres.empty_public()


@pytest.fixture(scope="session")
def pooler_port(postgres: PostgresServer) -> Iterator[int]:
    """Return the port of a transaction pooler in front of the server.

    PgBouncer is in no Python package: CI installs it, elsewhere its tests are skipped out loud.
    """
    try:
        find_pooler()
    except MissingProgramError as exc:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(exc))
    with open_pooler(postgres) as port:
        yield port
