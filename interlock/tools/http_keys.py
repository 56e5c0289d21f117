"""Pass the key of a guarded tool on to an HTTP service, with httpx.

For tools to call, inside `@idempotent`. What the answers mean, and when a request is sent again, is
in `keyed_request`; here are the header, httpx's errors and the sending itself.
"""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final, cast

import httpx
from langgraph.errors import GraphBubbleUp

from interlock.contracts.clock import Clock, SystemClock
from interlock.contracts.retry_after import parse_retry_after
from interlock.contracts.safe_words import clean_words, word_error
from interlock.tools.effect_scope import CURRENT_SCOPE
from interlock.tools.keyed_request import (
    Answered,
    KeyedRequest,
    NoAnswer,
    NotSent,
    Reply,
    SendRequest,
    Wait,
)

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
MAX_WAIT: Final = timedelta(seconds=30)
MAX_SENDS: Final = 5

_EXCERPT_CHARS: Final = 500
_EXCERPT_BYTES: Final = 4_000
_SHORTEST_SECRET_CHARS: Final = 8
"""Shorter parts of a header, such as `Bearer`, are no secrets."""

_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""httpx raises these before a connection to the server stands."""

_HARMLESS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)
"""Headers that may be repeated in words; all others may hold a secret."""


async def send_with_key(  # noqa: PLR0913 - one word each for what is known of the server
    client: httpx.AsyncClient,
    request: httpx.Request,
    *,
    key: str,
    header: str = IDEMPOTENCY_KEY,
    quoted: bool = False,
    server_keeps_keys: bool = False,
    max_wait: timedelta = MAX_WAIT,
    max_sends: int = MAX_SENDS,
    clock: Clock | None = None,
) -> httpx.Response:
    """Send a request that changes something, with its key, and return the server's answer (2xx).

    Call it in a guarded tool, once a key; its errors tell the guard what became of the effect. It
    is sent again, with the same key, after a 429 and when no connection was made; after a lost
    response, a 409, a 408 or a 5xx only if the server keeps keys. `Retry-After` is waited, unless
    it is longer than what is left of `max_wait`: then it gives up at once. Redirects are not
    followed. The client must not repeat writes by itself, in a transport for instance.

    Args:
        client: Its timeouts hold for each send.
        request: From `client.build_request(...)`. The whole body is read into memory.
        key: The one that the tool was given.
        header: What the server calls it.
        quoted: Whether the server wants it as the IETF draft writes it, `"key"`, a Structured
            Fields string. Most services, such as Stripe and Adyen, want the bare key.
        server_keeps_keys: Whether the server is known to carry a key out once and to answer it
            alike ever after. Only then is a request of which nobody knows the outcome sent again.
        max_wait: How long to wait between sends, all waits together; not counting the sends.
        max_sends: How often to send at most.
        clock: For the waits; the run's, or the machine's, if left out.

    Raises:
        NotAppliedError: Nothing happened; it may be tried later.
        RequestRefusedError: The server refuses it for good.
        OutcomeOpenError: Whether it took effect is not known.
        ValueError: A setting or the key cannot be used; nothing was sent.
        TypeError: The request's body cannot be sent by an async client.
    """
    keyed = KeyedRequest(
        words=_word_request(request),
        key=key,
        server_keeps_keys=server_keeps_keys,
        max_wait=max_wait,
        max_sends=max_sends,
    )
    _set_key(request, header, key, quoted=quoted)
    if not isinstance(request.stream, httpx.AsyncByteStream):
        raise TypeError(_WRONG_BODY.format(client="an async", body="an async iterator"))
    await request.aread()
    scope = CURRENT_SCOPE.get()
    held = clock or (SystemClock() if scope is None else scope.clock)
    steps, reply = keyed.steps(), None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            return cast("httpx.Response", stop.value.response)
        reply = None
        match step:
            case Wait():
                await held.sleep(step.seconds)
            case SendRequest():
                reply = await _send(client, request)


async def _send(client: httpx.AsyncClient, request: httpx.Request) -> Reply:
    try:
        return _read_response(await client.send(request, follow_redirects=False))
    except GraphBubbleUp:
        raise
    except Exception as exc:  # noqa: BLE001 - hooks and transports are the user's
        return _read_error(exc)


def send_with_key_blocking(  # noqa: PLR0913 - as above
    client: httpx.Client,
    request: httpx.Request,
    *,
    key: str,
    header: str = IDEMPOTENCY_KEY,
    quoted: bool = False,
    server_keeps_keys: bool = False,
    max_wait: timedelta = MAX_WAIT,
    max_sends: int = MAX_SENDS,
    sleep: Callable[[float], object] | None = None,
) -> httpx.Response:
    """Do as `send_with_key` does, blocking the calling thread; `sleep` blocks it for seconds."""
    keyed = KeyedRequest(
        words=_word_request(request),
        key=key,
        server_keeps_keys=server_keeps_keys,
        max_wait=max_wait,
        max_sends=max_sends,
    )
    _set_key(request, header, key, quoted=quoted)
    if not isinstance(request.stream, httpx.SyncByteStream):
        raise TypeError(_WRONG_BODY.format(client="a blocking", body="an iterator"))
    request.read()
    pause = sleep or threading.Event().wait
    steps, reply = keyed.steps(), None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            return cast("httpx.Response", stop.value.response)
        reply = None
        match step:
            case Wait():
                pause(step.seconds)
            case SendRequest():
                reply = _send_blocking(client, request)


def _send_blocking(client: httpx.Client, request: httpx.Request) -> Reply:
    try:
        return _read_response(client.send(request, follow_redirects=False))
    except GraphBubbleUp:
        raise
    except Exception as exc:  # noqa: BLE001 - hooks and transports are the user's
        return _read_error(exc)


_WRONG_BODY: Final = (
    "The request's body cannot be sent by {client} client. Build the request with that client, and "
    "give its body as bytes, JSON, form data or {body}."
)


def _set_key(request: httpx.Request, header: str, key: str, *, quoted: bool) -> None:
    """Put the key into the request's header; safe to repeat.

    Raises:
        ValueError: The key fits into no header, or the request carries another one.
    """
    if not key:
        raise ValueError(
            "The key is empty, as it is for a tool declared effect='read'. Send what only reads "
            "with the client itself."
        )
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        raise ValueError(
            f"The key {clean_words(repr(key), 80)} fits into no header. Use the key that the tool "
            "was given, or one made of it in printable ASCII."
        )
    value = _quote(key) if quoted else key
    if request.headers.get(header, value) != value:
        raise ValueError(
            f"The request carries another {header} already. Leave that header out: it is set here."
        )
    request.headers[header] = value


def _quote(key: str) -> str:
    """Return a key as a Structured Fields string (RFC 8941, section 3.3.3)."""
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _word_request(request: httpx.Request) -> str:
    """Name a request by method and server: paths and queries of many services hold secrets."""
    url = request.url
    port = "" if url.port is None else f":{url.port}"
    return f"{request.method} to {url.scheme}://{url.host}{port}"


def _read_response(response: httpx.Response, cause: Exception | None = None) -> Answered:
    headers = response.headers
    return Answered(
        status=response.status_code,
        retry_after_seconds=parse_retry_after(headers),
        is_replay=headers.get("idempotent-replayed", "").lower() == "true",
        should_retry={"true": True, "false": False}.get(headers.get("stripe-should-retry", "")),
        excerpt="" if response.is_success else _read_excerpt(response),
        response=response,
        cause=cause,
    )


def _read_error(exc: Exception) -> Reply:
    """Say what an error of a send tells of the request."""
    if isinstance(exc, httpx.HTTPStatusError):  # a hook that raises for the status
        return _read_response(exc.response, exc)
    if isinstance(exc, _NEVER_SENT):
        return NotSent(
            reason=f"{type(exc).__name__}: {word_error(exc, 200)}",
            may_pass=not isinstance(exc, httpx.UnsupportedProtocol),
            cause=exc,
        )
    # What a LocalProtocolError says repeats headers, so no traceback is to show it.
    is_silent = isinstance(exc, httpx.LocalProtocolError)
    return NoAnswer(reason=type(exc).__name__, cause=None if is_silent else exc)


def _read_excerpt(response: httpx.Response) -> str:
    """Return how a body begins, in one line, without what it repeats of the request's headers."""
    try:
        body = response.content[:_EXCERPT_BYTES]
    except httpx.ResponseNotRead:
        return ""
    text = " ".join(body.decode("utf-8", "replace").split())
    for name, value in response.request.headers.items():
        if name in _HARMLESS:
            continue
        for part in (value, *re.split(r"[\s=;,:]+", value)):
            if len(part) >= _SHORTEST_SECRET_CHARS:
                text = text.replace(part, f"[{name}]")
    return clean_words("".join(c if c.isprintable() else "?" for c in text), _EXCERPT_CHARS)
