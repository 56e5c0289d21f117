"""A scripted OpenAI-compatible server: real HTTP on loopback, no key, no model.

Point a client at `server.url`. Replies are taken by what a request says, so that parallel workers
get the right ones. It is strict: a request that no script expects, or a script that nobody asked
for, fails the test at the end of the block.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from interlock.testing.openai_replies import OpenAIReply, fail

Request: TypeAlias = Mapping[str, Any]
When: TypeAlias = str | Callable[[Request], bool]

_CREATED: Final = 1_767_268_800
_PIECE: Final = 12
_EXCERPT: Final = 300


class UnexpectedRequestsError(AssertionError):
    """What was asked and what was scripted differ; the message lists both."""


@dataclass(slots=True)
class _Script:
    reply: OpenAIReply
    when: When | None
    left: int | None

    def fits(self, request: Request) -> bool:
        if self.left == 0:
            return False
        if callable(self.when):
            return self.when(request)
        return self.when is None or self.when in read_messages(request)


class OpenAIServer:
    """Serves `/chat/completions` from a script, in a thread of its own, inside a `with` block.

    Attributes:
        requests: The bodies of all requests, in order of arrival.
    """

    def __init__(self) -> None:
        """Know no replies yet; add them with `script`, before or inside the block."""
        self.requests: list[Request] = []
        self._unexpected: list[Request] = []
        self._scripts: list[_Script] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._handlers: set[asyncio.Task[Any]] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    def script(
        self, *replies: OpenAIReply, when: When | None = None, times: int | None = 1
    ) -> None:
        """Expect requests, and say how each is answered.

        Args:
            replies: For the first, second ... request that fits.
            when: A text that stands in the request's messages, or a function of its body. Scripts
                are looked through in order; None fits all.
            times: How often each reply is given; None is any number, none included.
        """
        with self._lock:
            self._scripts += [_Script(reply, when, times) for reply in replies]

    def __enter__(self) -> Self:
        """Listen on a free port of loopback."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; where the block itself did not fail, compare what was asked with the script.

        Raises:
            UnexpectedRequestsError: They differ.
        """
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Return if every request was expected and every script was asked for."""
        lines = [f"asked, not scripted: {_word_request(request)}" for request in self._unexpected]
        lines += [
            f"scripted, not asked for ({script.left}x): {script.reply!r:.300}"
            for script in self._scripts
            if script.left
        ]
        if lines:
            raise UnexpectedRequestsError("\n".join(lines))

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in a task
        self._handlers.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                request = await _read_request(reader)
                await _send(writer, self._choose(request), request)
        finally:
            self._handlers.discard(task)
            writer.close()

    def _choose(self, request: Request) -> OpenAIReply:
        with self._lock:
            self.requests.append(request)
            for script in self._scripts:
                if script.fits(request):
                    script.left = None if script.left is None else script.left - 1
                    return script.reply
            self._unexpected.append(request)
        return fail(404, code="not_scripted")


def read_messages(request: Request) -> str:
    """Return all that the messages of a request say, one after the other."""
    contents = [message.get("content") for message in request.get("messages", ())]
    return "\n".join(part if isinstance(part, str) else json.dumps(part) for part in contents)


def _word_request(request: Request) -> str:
    return f"{request.get('model')!r}: ...{read_messages(request)[-_EXCERPT:]!r}"


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    path = head.split(" ", 2)[1]
    fields = [line.partition(":") for line in head.split("\r\n")[1:]]
    length = next((int(value) for name, _, value in fields if name.lower() == "content-length"), 0)
    body: dict[str, Any] = json.loads(await reader.readexactly(length)) if length else {}
    return {**body, "path": path}


async def _send(writer: asyncio.StreamWriter, reply: OpenAIReply, request: Request) -> None:
    await asyncio.sleep(reply.delay_seconds)
    if reply.fault == "hang":
        await asyncio.Event().wait()
    if reply.fault == "reset":
        writer.transport.abort()
        return
    is_stream = bool(request.get("stream")) and reply.status == 200  # noqa: PLR2004 - RFC 9110
    kind = "text/event-stream" if is_stream else "application/json"
    extra = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    head = f"HTTP/1.1 {reply.status} Scripted\r\nContent-Type: {kind}\r\n{extra}Connection: close\r\n\r\n"
    writer.write(head.encode())
    async for part in _spoil(_list_parts(reply, request, is_stream=is_stream), reply):
        writer.write(part)
        await writer.drain()


def _list_parts(reply: OpenAIReply, request: Request, *, is_stream: bool) -> list[bytes]:
    if is_stream:
        events = [json.dumps(event) for event in _list_events(reply, request)]
        return [f"data: {event}\n\n".encode() for event in [*events, "[DONE]"]]
    body = _build_body(reply, request) if reply.status == 200 else {"error": reply.error}  # noqa: PLR2004 - RFC 9110
    text = json.dumps(body).encode()
    middle = len(text) // 2
    return [text[:middle], text[middle:]]


async def _spoil(parts: list[bytes], reply: OpenAIReply) -> AsyncIterator[bytes]:
    """Go through what is sent; a fault strikes in the middle."""
    for place, part in enumerate(parts):
        if place == max(len(parts) // 2, 1):
            if reply.held_until is not None:
                await asyncio.to_thread(reply.held_until.wait)
            if reply.fault == "cut":
                return
            if reply.fault == "stall":
                await asyncio.Event().wait()
            if reply.fault == "garble":
                yield b'data: {"choices": [\x00{]]\n\n'
                return
        yield part


def _build_body(reply: OpenAIReply, request: Request) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", **reply.message},
        "finish_reason": reply.finish_reason,
    }
    return {**_build_head(request, "chat.completion"), "choices": [choice], "usage": _count(reply)}


def _list_events(reply: OpenAIReply, request: Request) -> Iterator[dict[str, Any]]:
    head = _build_head(request, "chat.completion.chunk")
    for delta in _list_deltas(reply):
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}]}
    if (request.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _count(reply)}


def _list_deltas(reply: OpenAIReply) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for name in ("content", "refusal"):
        text = reply.message.get(name) or ""
        for start in range(0, len(text), _PIECE):
            yield {name: text[start : start + _PIECE]}
    for index, tool in enumerate(reply.message.get("tool_calls", ())):
        text = tool["function"]["arguments"]
        first = {"name": tool["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{**tool, "index": index, "function": first}]}
        for start in range(0, len(text), _PIECE):
            piece = {"arguments": text[start : start + _PIECE]}
            yield {"tool_calls": [{"index": index, "function": piece}]}


def _build_head(request: Request, kind: str) -> dict[str, Any]:
    model = request.get("model", "scripted")
    return {"id": "chatcmpl-scripted", "object": kind, "created": _CREATED, "model": model}


def _count(reply: OpenAIReply) -> dict[str, int]:
    sent, given = reply.usage
    return {"prompt_tokens": sent, "completion_tokens": given, "total_tokens": sent + given}
