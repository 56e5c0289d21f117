"""A real PostgreSQL on loopback, in a temporary folder, for one process of the tests.

It commits to the disk as a server in production does (`fsync`, `synchronous_commit`): starting one
takes under a second, a commit about 0.4 ms. Each process of a parallel test run has its own, so a
test may restart it, or cut its connections, and disturb no other.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
from psycopg import sql

from tests.postgres.server_binaries import (
    MissingProgramError,
    ServerAccount,
    find_account,
    find_programs,
)

ADMIN: Final = "postgres"
USER: Final = "tester"
"""Whom storages connect as: owns the database and may do nothing beyond."""
PASSWORD: Final = "canary-pass-word"  # of both; must be seen in no message of ours
DATABASE: Final = "interlock"
_KEEPER: Final = Path(__file__).with_name("server_keeper.py")
_TRIES: Final = 5
_SETTINGS: Final = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 200
shared_buffers = 64MB
logging_collector = off
log_min_messages = warning
log_lock_waits = on
"""


class PostgresServer:
    """A running server. Fresh schemas, plain connections, cut connections, restarts."""

    def __init__(self, folder: Path, *, programs: Path, account: ServerAccount, port: int) -> None:
        """Describe a server that `open_postgres` has started."""
        self.folder = folder
        self.port = port
        self._programs = programs
        self._account = account
        self._numbers = count(1)

    @property
    def data(self) -> Path:
        """The folder of its database cluster."""
        return self.folder / "data"

    def build_url(self, schema: str | None = None, *, port: int | None = None, **more: str) -> str:
        """Return the storage URL of a schema.

        Args:
            schema: Left out, the URL names none.
            port: Of a pooler in front.
            more: Further query parameters.
        """
        options = {"interlock_schema": schema, **more} if schema else more
        query = f"?{urlencode(options)}" if options else ""
        place = f"127.0.0.1:{port or self.port}/{DATABASE}"
        return f"postgresql://{USER}:{PASSWORD}@{place}{query}"

    def name_schema(self) -> str:
        """Return the name of a schema that does not exist yet."""
        return f"t_{next(self._numbers)}"

    def drop_schema(self, schema: str) -> None:
        """Delete a schema and all in it, cutting off whoever still uses it."""
        statement = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        with self.connect() as connection:
            connection.execute("SET lock_timeout = '2s'")
            try:
                connection.execute(statement)
            except psycopg.errors.LockNotAvailable:
                self.cut_connections()
                connection.execute(statement)

    def empty_public(self) -> None:
        """Delete the tables that users made for themselves, beside a storage's schema."""
        self.drop_schema("public")
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE SCHEMA public AUTHORIZATION {}").format(sql.Identifier(USER))
            )

    def connect(self, schema: str | None = None, **options: Any) -> psycopg.Connection[Any]:
        """Open a plain connection of the test's own, in autocommit mode, as the superuser."""
        connection = psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=ADMIN,
            password=PASSWORD,
            dbname=DATABASE,
            autocommit=True,
            application_name="the test itself",
            **options,
        )
        if schema is not None:
            connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        return connection

    def cut_connections(self, *, most: int | None = None) -> int:
        """End connections of everybody but the test itself with `pg_terminate_backend`.

        Args:
            most: How many, drawn by the server; left out, all.

        Returns:
            How many were cut.
        """
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND application_name <> 'the test itself'"
                " ORDER BY random() LIMIT %s) AS drawn",
                (most,),
            ).fetchall()
        return sum(is_cut for (is_cut,) in rows)

    def count_connections(self) -> int:
        """Return how many clients are connected, the test itself left out."""
        with self.connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND application_name <> 'the test itself'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def restart(self, mode: str = "immediate") -> None:
        """Stop and start it again; `immediate` is a crash, from which it recovers."""
        self.control("restart", "-m", mode)

    def control(self, *words: str) -> None:
        """Call `pg_ctl`, and wait until it has done what it was told.

        Raises:
            MissingProgramError: It could not; with the end of the server's log.
        """
        call = (self._programs / "pg_ctl", *words, "-w", "-s", "-D", self.data)
        try:
            self._account.run(*call, "-l", self.folder / "log", folder=self.folder)
        except MissingProgramError as exc:
            raise MissingProgramError(f"{exc}\n{self.read_log()[-2000:]}") from exc

    def read_log(self) -> str:
        """Return what the server has said."""
        log = self.folder / "log"
        return log.read_text("utf-8", "replace") if log.exists() else ""


@contextmanager
def open_postgres() -> Iterator[PostgresServer]:
    """Start a server, and end it with the block, or with this process however it ends.

    Raises:
        MissingProgramError: There is no server, or it does not start.
    """
    account = find_account()
    folder = Path(tempfile.mkdtemp(prefix="interlock-postgres-"))
    try:
        account.own(folder)
        programs = find_programs(account, folder=folder)
        with _keep(folder, programs, account):
            yield _start(folder, programs, account)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_free_port() -> int:
    """Return a port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(folder: Path, programs: Path, account: ServerAccount) -> PostgresServer:
    _make_cluster(folder, programs, account)
    settings = folder / "data" / "postgresql.conf"
    written = settings.read_text("utf-8")
    for left in reversed(range(_TRIES)):
        server = PostgresServer(folder, programs=programs, account=account, port=find_free_port())
        said = _SETTINGS.format(port=server.port, folder=folder)
        settings.write_text(written + said, encoding="utf-8")
        try:
            server.control("start")
        except MissingProgramError:
            if not left:
                raise
            continue  # another process took the port
        _make_database(server)
        return server
    raise AssertionError


def _make_cluster(folder: Path, programs: Path, account: ServerAccount) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(0o644)  # the folder keeps others out
    words = ("-U", ADMIN, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-locale")
    account.run(programs / "initdb", "-D", folder / "data", *words, "--no-sync", folder=folder)
    secret.unlink()


def _make_database(server: PostgresServer) -> None:
    role, database = sql.Identifier(USER), sql.Identifier(DATABASE)
    with psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user=ADMIN,
        password=PASSWORD,
        dbname="postgres",
        autocommit=True,
    ) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(PASSWORD))
        )
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))


@contextmanager
def _keep(folder: Path, programs: Path, account: ServerAccount) -> Iterator[None]:
    """Have the server stopped at the end of the block, even if this process is killed in it."""
    account_words = (account.uid, account.gid) if account.is_other else ()
    words = (_KEEPER, programs / "pg_ctl", folder / "data", *account_words)
    keeper = subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the tests; the server ends after them
        cwd="/",
    )
    assert keeper.stdin is not None
    try:
        yield
    finally:
        keeper.stdin.close()
        try:
            keeper.wait(60)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                keeper.send_signal(signal.SIGKILL)
            keeper.wait()
