"""The server that the tests start is a real one, and nothing of it is left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.packaging.repository import ROOT
from tests.postgres.postgres_server import PASSWORD, USER, PostgresServer, open_postgres
from tests.postgres.server_binaries import find_account, find_programs
from tests.postgres.waiting_until import wait_until

_START = """
from tests.postgres.postgres_server import open_postgres
with open_postgres() as server:
    print(server.folder, flush=True)
    input()
"""


def read_setting(server: PostgresServer, name: str) -> str:
    """Return a setting of a server."""
    with server.connect() as connection:
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def test_commits_reach_the_disk(postgres: PostgresServer) -> None:
    """The tests' server may lose nothing that it has acknowledged."""
    wanted = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    assert {name: read_setting(postgres, name) for name in wanted} == wanted


def test_only_loopback_can_reach_it_and_only_with_the_password(postgres: PostgresServer) -> None:
    """Another user of this machine cannot use it."""
    assert read_setting(postgres, "listen_addresses") == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(
            host="127.0.0.1", port=postgres.port, user=USER, password="guess", dbname="postgres"
        )


def test_an_immediate_restart_loses_nothing(postgres: PostgresServer) -> None:
    """What was committed is there after a crash, and old connections are not."""
    schema = postgres.name_schema()
    old = postgres.connect()
    old.execute(f"CREATE SCHEMA {schema}")
    old.execute(f"CREATE TABLE {schema}.kept AS SELECT 7 AS number")
    postgres.restart("immediate")
    with pytest.raises(psycopg.OperationalError):
        old.execute("SELECT 1")
    old.close()
    with postgres.connect(schema) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    postgres.drop_schema(schema)


def test_cutting_spares_the_test_itself(postgres: PostgresServer) -> None:
    """Others' connections are ended, drawn at random; the test's own goes on."""
    mine = postgres.connect()
    theirs = [psycopg.connect(postgres.build_url(), autocommit=True) for _ in range(3)]
    assert postgres.count_connections() == 3
    assert postgres.cut_connections(most=1) == 1
    wait_until(lambda: postgres.count_connections() == 2, seconds=10, what="one cut off")
    assert postgres.cut_connections() == 2
    assert mine.execute("SELECT 1").fetchone() == (1,)
    for connection in theirs:
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()
    mine.close()


@pytest.mark.parametrize("end", [signal.SIGKILL, None])
def test_it_ends_with_whoever_started_it(end: signal.Signals | None) -> None:
    """Killed or not, a process of the tests leaves no server and no folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", _START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    pid = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    assert psutil.pid_exists(pid)
    if end is not None:
        process.send_signal(end)
    process.communicate("\n" if end is None else None)
    wait_until(lambda: not folder.exists(), seconds=30, what=folder)
    wait_until(lambda: not psutil.pid_exists(pid), seconds=30, what=pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers as another account")
def test_programs_where_the_account_may_not_go_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment below a closed folder works all the same."""
    install = find_programs(find_account(), folder=Path("/")).parent
    closed = tmp_path / "closed"
    (closed / install.parent.name).mkdir(parents=True)
    closed.chmod(0o700)
    copy = closed / install.parent.name / install.name
    copy.symlink_to(install)
    libraries = f"{install.parent.name}.libs"
    (closed / libraries).symlink_to(install.parent.with_name(libraries))
    monkeypatch.setenv("INTERLOCK_TEST_POSTGRES", str(copy / "bin"))
    with open_postgres() as server:
        assert list(server.folder.glob("programs/*/*/bin/postgres"))
        assert read_setting(server, "fsync") == "on"


def test_a_pooler_lends_a_connection_for_one_transaction(
    postgres: PostgresServer, pooler_port: int
) -> None:
    """More clients than connections: each transaction runs on whichever is free."""
    clients = [
        psycopg.connect(postgres.build_url(port=pooler_port), prepare_threshold=None)
        for _ in range(6)
    ]
    pids = set()
    for client in clients:
        row = client.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        pids.add(row[0])
        client.commit()
    assert len(pids) <= 3
    for client in clients:
        client.close()
    assert PASSWORD not in postgres.read_log()
