"""An HTTP server on loopback that counts effects by key, and misbehaves as its script says."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import h11

Headers = dict[str, str]

_BROKEN = {
    "cut": b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"receipt',
    "garbage": b"\x16\x03\x01 this is not HTTP\r\n\r\n",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, with or without the effect."""

    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes = b"{}"
    has_effect: bool = False


Turn = Reply | Literal["serve", "drop_before", "drop_after", "cut", "hang", "garbage"]
"""What to do with a request. `serve`: carry it out and answer; `drop_before`, `drop_after`: close
without an answer, before or after the effect; the others come after the effect: `cut` closes in the
middle of the body, `hang` never answers, `garbage` answers with what is no HTTP."""


@dataclass(slots=True)
class KeyedServer:
    """Answers request by request from a script; without one, or after its end, it serves.

    Attributes:
        script: What is left of it.
        keeps_keys: Whether a known key gets the recorded answer instead of another effect.
        effects: How often each key was carried out.
        seen: The key header and the body of each request, as they came.
        targets: What each request asked for.
        port: Where it listens.
        is_connected: Set once somebody has connected.
    """

    script: list[Turn] = field(default_factory=list)
    keeps_keys: bool = True
    effects: Counter[str] = field(default_factory=Counter)
    seen: list[tuple[str, bytes]] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    port: int = 0
    is_connected: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Self]:
        """Serve on a free port until the block ends."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._stopped.set()
            server.close()
            await asyncio.gather(*self._open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.is_connected.set()
        with suppress(ConnectionError):
            await self._take(h11.Connection(h11.SERVER), reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self._open.discard(task)

    async def _take(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Do with one request what the script says; then the connection is closed."""
        request, body = await self._read(connection, reader)
        if request is None:
            return
        headers = {name.decode(): value.decode() for name, value in request.headers}
        key = headers.get("idempotency-key") or headers.get("x-request-key", "")
        self.seen.append((key, body))
        self.targets.append(request.target.decode())
        turn = self.script.pop(0) if self.script else "serve"
        if isinstance(turn, Reply):
            if turn.has_effect:
                self._carry_out(key)
            await self._answer(connection, writer, turn)
        elif turn == "serve":
            is_replay = self.keeps_keys and key in self.effects
            receipt = b'{"receipt": %d}' % self._carry_out(key)
            marks = {"Idempotent-Replayed": "true"} if is_replay else {}
            await self._answer(connection, writer, Reply(200, marks, receipt))
        elif turn != "drop_before":
            self._carry_out(key)
            writer.write(_BROKEN.get(turn, b""))
            await writer.drain()
            if turn == "hang":
                await self._stopped.wait()

    async def _read(
        self, connection: h11.Connection, reader: asyncio.StreamReader
    ) -> tuple[h11.Request | None, bytes]:
        request, body = None, b""
        while True:
            event: Any = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65_536))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return request, body
            else:
                return None, b""

    async def _answer(
        self, connection: h11.Connection, writer: asyncio.StreamWriter, reply: Reply
    ) -> None:
        headers = {"content-length": str(len(reply.body)), "connection": "close", **reply.headers}
        parts: tuple[h11.Event, ...] = (
            h11.Response(status_code=reply.status, headers=list(headers.items())),
            h11.Data(data=reply.body),
            h11.EndOfMessage(),
        )
        writer.write(b"".join(connection.send(part) or b"" for part in parts))
        await writer.drain()

    def _carry_out(self, key: str) -> int:
        """Do it, unless the key is known and kept; returns the receipt's number."""
        if not (self.keeps_keys and key in self.effects):
            self.effects[key] += 1
        return list(self.effects).index(key) + 1
