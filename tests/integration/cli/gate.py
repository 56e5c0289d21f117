"""A gate at which a worker in another process waits until the test lets it go on."""

import socket
from types import TracebackType
from typing import Self


class Gate:
    """Listens on loopback; a context manager."""

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(30)
        self._held: list[socket.socket] = []
        return self

    @property
    def port(self) -> str:
        """Where workers knock: the value of GATE_PORT."""
        return str(self._server.getsockname()[1])

    def wait(self) -> str:
        """Return the id of the step whose worker knocks next; it waits from now on."""
        connection, _ = self._server.accept()
        self._held.append(connection)
        return connection.makefile().readline().strip()

    def open(self) -> None:
        """Let all who wait go on."""
        for connection in self._held:
            connection.sendall(b"go\n")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        for connection in [*self._held, self._server]:
            connection.close()
