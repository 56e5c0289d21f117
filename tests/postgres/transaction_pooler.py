"""A real PgBouncer in front of a server, lending a connection for one transaction at a time."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from tests.postgres.postgres_server import (
    DATABASE,
    PASSWORD,
    USER,
    PostgresServer,
    find_free_port,
)
from tests.postgres.server_binaries import build_environment, find_account, find_pooler
from tests.postgres.waiting_until import wait_until

_SETTINGS: Final = """
[databases]
{database} = host=127.0.0.1 port={server_port} dbname={database} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
admin_users = {user}
log_connections = 0
log_disconnections = 0
"""


@contextmanager
def open_pooler(server: PostgresServer, *, size: int = 3) -> Iterator[int]:
    """Start a pooler with PgBouncer's defaults and transaction pooling; return its port.

    Args:
        server: What it stands in front of.
        size: Connections that it has to the server; with fewer than there are clients, each
            transaction runs on whichever is free.

    Raises:
        MissingProgramError: PgBouncer is not installed.
    """
    program = find_pooler()
    account = find_account()
    folder = Path(tempfile.mkdtemp(prefix="interlock-pooler-"))
    port = find_free_port()
    given = {"database": DATABASE, "user": USER, "password": PASSWORD, "folder": folder}
    said = _SETTINGS.format(server_port=server.port, port=port, size=size, **given)
    (folder / "pooler.ini").write_text(said, encoding="utf-8")
    (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n', encoding="utf-8")
    account.own(folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(program), str(folder / "pooler.ini")],
            cwd=folder,
            env=build_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **account.build_options(),
        )
    try:
        wait_until(lambda: _answers(port), seconds=20, what=folder / "log")
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        psycopg.connect(
            host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname=DATABASE
        ).close()
    except psycopg.OperationalError:
        return False
    return True
