"""HTTP tools: keys passed on, answers read, lost ones never guessed, on real connections (I5)."""

import asyncio
import logging
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

import interlock as il
from interlock.contracts.retry_after import find_retry_after
from interlock.testing import ManualClock
from tests.integration.effects.keyed_server import KeyedServer, Reply, Turn

KEY = "e-0123456789abcdef01234567"
BODY = {"order": "o1", "cents": 50}
SECRET = "sk-live-51H8s3cr3t"

Sent = tuple[httpx.Response, float]


@pytest.fixture(params=["async", "blocking"])
def how(request: pytest.FixtureRequest) -> str:
    """Both kinds of client."""
    return str(request.param)


async def send(
    how: str,
    url: str,
    *,
    timeout: float = 5.0,
    build: Callable[[Any], Any] | None = None,
    client: dict[str, Any] | None = None,
    **options: Any,
) -> Sent:
    """Send one request; returns the answer and how long was waited between sends.

    An error that is raised gets the attribute `waited`.
    """
    options = {"key": KEY, "max_wait": timedelta(minutes=5), **options}
    make = build or (lambda one: one.build_request("POST", "/refunds", json=BODY))
    settings: dict[str, Any] = {"base_url": url, "timeout": timeout, **(client or {})}
    clock = ManualClock(auto=True)
    start = clock.now()
    try:
        if how == "async":
            async with httpx.AsyncClient(**settings) as opened:
                response = await il.send_with_key(opened, make(opened), clock=clock, **options)
        else:
            response = await asyncio.to_thread(_send_blocking, settings, make, clock, options)
    except Exception as exc:
        exc.waited = (clock.now() - start).total_seconds()
        raise
    return response, (clock.now() - start).total_seconds()


def _send_blocking(
    settings: dict[str, Any],
    make: Callable[[Any], Any],
    clock: ManualClock,
    options: dict[str, Any],
) -> httpx.Response:
    with httpx.Client(**settings) as opened:
        return il.send_with_key_blocking(opened, make(opened), sleep=clock.advance, **options)


# What is sent.


async def test_the_key_and_the_same_body_go_with_every_send(how: str) -> None:
    """A request that is sent again is the same, byte for byte, and carries the same key."""
    async with KeyedServer([Reply(429), Reply(429)]).listen() as server:
        response, _ = await send(how, server.url)
    assert response.json() == {"receipt": 1}
    assert [key for key, _ in server.seen] == [KEY] * 3
    assert len({body for _, body in server.seen}) == 1


async def test_a_body_that_can_be_read_only_once_is_sent_again_whole(how: str) -> None:
    """A streamed body is the same in the second send."""

    async def chunks() -> Any:
        for part in (b"one,", b"two"):
            yield part

    def build(client: Any) -> Any:
        content = chunks() if how == "async" else iter([b"one,", b"two"])
        return client.build_request("POST", "/refunds", content=content)

    async with KeyedServer([Reply(429)]).listen() as server:
        await send(how, server.url, build=build)
    assert [body for _, body in server.seen] == [b"one,two"] * 2


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, KEY),
        ({"quoted": True}, f'"{KEY}"'),
        ({"quoted": True, "key": 'a"b\\c'}, '"a\\"b\\\\c"'),
        ({"header": "X-Request-Key"}, KEY),
    ],
    ids=["bare", "quoted", "escaped", "renamed"],
)
async def test_the_header_is_written_as_the_server_wants_it(
    how: str, options: dict[str, Any], seen: str
) -> None:
    """Bare by default, a Structured Fields string (RFC 8941) on demand, under any name."""
    async with KeyedServer().listen() as server:
        await send(how, server.url, **options)
    assert [key for key, _ in server.seen] == [seen]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": ""}, "key is empty"),
        ({"key": "a\nb"}, "fits into no header"),
        ({"key": " a"}, "fits into no header"),
        ({"key": "ä"}, "fits into no header"),
        ({"max_sends": 0}, "max_sends"),
        ({"max_wait": timedelta(seconds=-1)}, "max_wait"),
    ],
    ids=str,
)
async def test_what_cannot_be_sent_is_refused_before_anything_is(
    how: str, options: dict[str, Any], words: str
) -> None:
    """A key or setting that cannot work is an error by which the guard knows that it is final."""
    async with KeyedServer().listen() as server:
        with pytest.raises(ValueError, match=words):
            await send(how, server.url, **options)
    assert server.seen == []


async def test_a_request_with_a_key_of_its_own_is_refused(how: str) -> None:
    """A key that the request already carries is not replaced in silence."""

    def build(client: Any) -> Any:
        return client.build_request("POST", "/", headers={"idempotency-key": "mine"})

    async with KeyedServer().listen() as server:
        with pytest.raises(ValueError, match="carries another Idempotency-Key"):
            await send(how, server.url, build=build)
    assert server.seen == []


# Answers that are definite.


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_success_is_returned(how: str, status: int) -> None:
    """Any 2xx is the answer, after one send and no wait."""
    body = b"" if status == 204 else b"{}"
    async with KeyedServer([Reply(status, body=body, has_effect=True)]).listen() as server:
        response, waited = await send(how, server.url)
    assert (response.status_code, waited, len(server.seen)) == (status, 0, 1)


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 410, 422])
async def test_a_refusal_is_final(how: str, status: int, *, keeps: bool) -> None:
    """A 4xx is sent once, and becomes a permanent error with status and what the server said."""
    reply = Reply(status, body=b'{"error": "no such\n order"}')
    async with KeyedServer([reply]).listen() as server:
        with pytest.raises(il.RequestRefusedError, match="no such order") as caught:
            await send(how, server.url, server_keeps_keys=keeps)
    error = caught.value
    assert isinstance(error, il.PermanentError)
    assert (error.status, error.excerpt) == (status, '{"error": "no such order"}')
    assert len(server.seen) == 1


async def test_a_conflict_is_a_refusal_of_a_server_that_keeps_no_keys(how: str) -> None:
    """Without keys, 409 says that the request does not fit: it is not sent again."""
    async with KeyedServer([Reply(409)], keeps_keys=False).listen() as server:
        with pytest.raises(il.RequestRefusedError):
            await send(how, server.url)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_moved_address_is_refused_not_followed(how: str, status: int) -> None:
    """A redirect that asks for the same request elsewhere is said, whatever the client follows."""
    reply = Reply(status, {"Location": "/elsewhere"})
    async with KeyedServer([reply]).listen() as server:
        with pytest.raises(il.RequestRefusedError, match="not redirected"):
            await send(how, server.url, client={"follow_redirects": True})
    assert server.targets == ["/refunds"]


@pytest.mark.parametrize("status", [302, 303])
async def test_a_redirect_after_the_deed_leaves_it_open(how: str, status: int) -> None:
    """Servers redirect so after they did what was asked, too: nothing is guessed or followed."""
    reply = Reply(status, {"Location": "/elsewhere"}, has_effect=True)
    async with KeyedServer([reply]).listen() as server:
        with pytest.raises(il.OutcomeOpenError):
            await send(how, server.url, server_keeps_keys=True, client={"follow_redirects": True})
    assert server.targets == ["/refunds"]


# Waits.


def date_in(seconds: int) -> dict[str, str]:
    """Return headers of a server whose clock is years off, and which asks to come back."""
    now = datetime(2001, 1, 1, tzinfo=UTC)
    until = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    return {"Date": format_datetime(now, usegmt=True), "Retry-After": until}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "7"}, 7), (date_in(90), 90)],
    ids=["seconds", "date"],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited(
    how: str, status: int, headers: dict[str, str], seconds: float
) -> None:
    """Both forms hold, read against the server's own clock."""
    async with KeyedServer([Reply(status, headers)]).listen() as server:
        response, waited = await send(how, server.url, server_keeps_keys=True)
    assert (response.status_code, waited, len(server.seen)) == (200, seconds, 2)


async def test_too_many_requests_ends_in_nothing_happened(how: str) -> None:
    """After the last 429 the error says that nothing happened, and when to come back."""
    replies: list[Turn] = [Reply(429, {"Retry-After": "40"})] * 9
    async with KeyedServer(replies).listen() as server:
        with pytest.raises(il.NotAppliedError, match="429") as caught:
            await send(how, server.url, max_wait=timedelta(seconds=100))
    assert len(server.seen) == 3
    assert (caught.value.waited, find_retry_after(caught.value)) == (80, 40)
    assert not server.effects


async def test_a_longer_wait_than_is_left_is_not_begun(how: str) -> None:
    """A server that asks for more than `max_wait` is left to whoever retries the step."""
    async with KeyedServer([Reply(429, {"Retry-After": "3600"})]).listen() as server:
        with pytest.raises(il.NotAppliedError) as caught:
            await send(how, server.url, max_wait=timedelta(seconds=30))
    assert (caught.value.waited, find_retry_after(caught.value)) == (0, 3600)
    assert len(server.seen) == 1


async def test_sends_are_bounded(how: str) -> None:
    """No more than `max_sends`, each pause longer than half of the doubled one before it."""
    async with KeyedServer([Reply(429)] * 9).listen() as server:
        with pytest.raises(il.NotAppliedError) as caught:
            await send(how, server.url, max_sends=4)
    assert len(server.seen) == 4
    assert 1.75 <= caught.value.waited <= 3.5


async def test_a_closed_port_is_tried_again_and_nothing_happened(how: str) -> None:
    """Where no connection was made, the error says that nothing happened."""
    async with KeyedServer().listen() as server:
        url = server.url
    with pytest.raises(il.NotAppliedError, match="ConnectError") as caught:
        await send(how, url, max_sends=3)
    assert 0.75 <= caught.value.waited <= 1.5


async def test_a_request_to_nowhere_is_not_tried_again(how: str) -> None:
    """A URL without a server fails at once; nothing happened."""
    with pytest.raises(il.NotAppliedError, match="UnsupportedProtocol") as caught:
        await send(how, "")
    assert caught.value.waited == 0


# Answers that tell nothing, and answers that are lost.

LOST: list[Turn] = ["drop_after", "cut", "hang", "garbage"]
"""The effect has happened, and the client does not learn of it."""


@pytest.mark.parametrize("lost", LOST)
async def test_after_a_lost_response_a_server_without_keys_is_sent_nothing(
    how: str, lost: Turn
) -> None:
    """The request is never sent twice, and its outcome stays open."""
    async with KeyedServer([lost], keeps_keys=False).listen() as server:
        with pytest.raises(il.OutcomeOpenError, match="server_keeps_keys=True") as caught:
            await send(how, server.url, timeout=0.2)
    assert isinstance(caught.value, il.TransientError)
    assert not isinstance(caught.value, il.NotAppliedError)
    assert caught.value.status is None
    assert (server.effects[KEY], len(server.seen)) == (1, 1)


async def test_a_connection_dropped_before_the_deed_looks_like_a_lost_response(how: str) -> None:
    """What cannot be told apart is not: it is not sent again."""
    async with KeyedServer(["drop_before"], keeps_keys=False).listen() as server:
        with pytest.raises(il.OutcomeOpenError):
            await send(how, server.url)
    assert (server.effects[KEY], len(server.seen)) == (0, 1)


@pytest.mark.parametrize("lost", [*LOST, "drop_before"])
async def test_a_server_that_keeps_keys_does_it_once_though_two_answers_are_lost(
    how: str, lost: Turn
) -> None:
    """It is sent again with the same key until its answer arrives: one effect."""
    async with KeyedServer([lost, lost]).listen() as server:
        response, _ = await send(how, server.url, timeout=0.2, server_keeps_keys=True)
    assert response.json() == {"receipt": 1}
    assert (server.effects, len(server.seen)) == ({KEY: 1}, 3)


async def test_answers_that_stay_lost_leave_it_open(how: str) -> None:
    """Also with a server that keeps keys, the last word may be that nobody knows."""
    async with KeyedServer(["drop_after"] * 9).listen() as server:
        with pytest.raises(il.OutcomeOpenError) as caught:
            await send(how, server.url, server_keeps_keys=True, max_sends=3)
    assert (server.effects, len(server.seen), caught.value.sends) == ({KEY: 1}, 3, 3)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_a_failing_server_leaves_it_open(how: str, status: int) -> None:
    """A 408 or 5xx may come after the effect: without keys it is not sent again."""
    reply = Reply(status, {"Retry-After": "1"}, has_effect=True)
    async with KeyedServer([reply], keeps_keys=False).listen() as server:
        with pytest.raises(il.OutcomeOpenError) as caught:
            await send(how, server.url)
    assert caught.value.status == status
    assert (server.effects[KEY], len(server.seen)) == (1, 1)


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503])
async def test_a_server_that_keeps_keys_is_asked_again(how: str, status: int) -> None:
    """In progress or failing, then done: the answer arrives, one effect."""
    async with KeyedServer([Reply(status, has_effect=status != 409)]).listen() as server:
        response, _ = await send(how, server.url, server_keeps_keys=True)
    assert (response.json(), server.effects) == ({"receipt": 1}, {KEY: 1})


@pytest.mark.parametrize("status", [409, 503])
async def test_what_stays_in_progress_stays_open(how: str, status: int) -> None:
    """When the waits are used up, a 409 or 503 leaves the outcome open."""
    async with KeyedServer([Reply(status, {"Retry-After": "2"})] * 9).listen() as server:
        with pytest.raises(il.OutcomeOpenError) as caught:
            await send(how, server.url, server_keeps_keys=True, max_wait=timedelta(seconds=5))
    assert (caught.value.status, caught.value.waited, len(server.seen)) == (status, 4, 3)


@pytest.mark.parametrize("last", [Reply(429), Reply(401), Reply(404), Reply(301)], ids=str)
async def test_a_refusal_after_a_lost_response_says_nothing_of_it(how: str, last: Reply) -> None:
    """A limiter or a sign-in in front of the server does not know what the lost send did."""
    turns: list[Turn] = ["drop_after", *[last] * 9]
    async with KeyedServer(turns).listen() as server:
        with pytest.raises(il.OutcomeOpenError):
            await send(how, server.url, server_keeps_keys=True, max_sends=3)
    assert server.effects == {KEY: 1}


async def test_a_server_that_is_gone_after_a_lost_response_leaves_it_open(how: str) -> None:
    """No connection the second time does not mean that nothing happened the first time."""
    async with KeyedServer(["drop_after"]).listen() as server:
        url = server.url

        def fail_later(request: Any) -> None:
            if server.effects:
                raise httpx.ConnectError("gone", request=request)

        async def fail_later_async(request: Any) -> None:
            fail_later(request)

        hook = fail_later_async if how == "async" else fail_later
        with pytest.raises(il.OutcomeOpenError, match="gone"):
            await send(
                how, url, server_keeps_keys=True, client={"event_hooks": {"request": [hook]}}
            )
    assert server.effects == {KEY: 1}


async def test_a_recorded_refusal_is_final_after_a_lost_response(how: str) -> None:
    """What the server marks as its recorded answer for the key is the answer."""
    recorded = Reply(404, {"Idempotent-Replayed": "true"})
    async with KeyedServer(["drop_before", recorded]).listen() as server:
        with pytest.raises(il.RequestRefusedError):
            await send(how, server.url, server_keeps_keys=True)
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "headers", [{"Idempotent-Replayed": "true"}, {"Stripe-Should-Retry": "false"}], ids=str
)
async def test_a_recorded_failure_is_not_asked_for_again(how: str, headers: dict[str, str]) -> None:
    """A 500 that will not change leaves the outcome open at once."""
    async with KeyedServer([Reply(500, headers)] * 2).listen() as server:
        with pytest.raises(il.OutcomeOpenError):
            await send(how, server.url, server_keeps_keys=True)
    assert len(server.seen) == 1


# Clients with wills of their own.


async def test_a_hook_that_raises_for_the_status_changes_nothing(how: str) -> None:
    """Errors that a client's hook makes of answers are read as these answers."""

    def check(response: httpx.Response) -> None:
        response.raise_for_status()

    async def check_async(response: httpx.Response) -> None:
        response.raise_for_status()

    hooks = {"event_hooks": {"response": [check_async if how == "async" else check]}}
    async with KeyedServer([Reply(429), Reply(404)]).listen() as server:
        with pytest.raises(il.RequestRefusedError) as caught:
            await send(how, server.url, client=hooks)
    assert (caught.value.status, len(server.seen)) == (404, 2)


async def test_an_error_of_a_hook_after_the_deed_is_not_taken_for_a_refusal(how: str) -> None:
    """A KeyError while the answer is looked at tells nothing of the effect."""

    def look(response: httpx.Response) -> None:
        raise KeyError("x-trace")

    async def look_async(response: httpx.Response) -> None:
        look(response)

    hooks = {"event_hooks": {"response": [look_async if how == "async" else look]}}
    async with KeyedServer(keeps_keys=False).listen() as server:
        with pytest.raises(il.OutcomeOpenError, match="KeyError"):
            await send(how, server.url, client=hooks)
    assert (server.effects, len(server.seen)) == ({KEY: 1}, 1)


async def test_errors_word_no_secret(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what the server repeats of our headers, nor the path or query, is said or logged."""
    caplog.set_level(logging.DEBUG, "interlock")
    body = f'{{"error": "bad token {SECRET}", "header": "Bearer {SECRET}"}}'.encode()
    headers = {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "Cookie": f"s={SECRET}"}

    def build(client: Any) -> Any:
        return client.build_request("POST", f"/bot{SECRET}/send?token={SECRET}", headers=headers)

    turns: list[Turn] = [Reply(404, body=body), Reply(500, body=body), "drop_after"]
    async with KeyedServer(turns).listen() as server:
        for _ in range(3):
            with pytest.raises((il.RequestRefusedError, il.OutcomeOpenError)) as caught:
                await send(how, server.url, build=build)
            assert SECRET not in f"{caught.value} {caught.value!r} {vars(caught.value)}"
            assert "POST to http://127.0.0.1" in str(caught.value)
    own = [record for record in caplog.records if record.name.startswith("interlock")]
    assert SECRET not in " ".join(record.getMessage() for record in own)


async def test_a_header_that_cannot_be_sent_is_not_shown(how: str) -> None:
    """A token with a stray line end, which httpx would word, appears in no traceback."""

    def build(client: Any) -> Any:
        return client.build_request("POST", "/", headers={"X-Api-Key": f"{SECRET}\n"})

    async with KeyedServer().listen() as server:
        with pytest.raises(il.OutcomeOpenError, match="LocalProtocolError") as caught:
            await send(how, server.url, build=build)
        await server.is_connected.wait()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
    assert server.seen == []


async def test_a_long_answer_is_cut(how: str) -> None:
    """An error keeps the beginning of a body, in printable words."""
    reply = Reply(400, body=b"\x1b[31m" + b"no " * 100_000)
    async with KeyedServer([reply]).listen() as server:
        with pytest.raises(il.RequestRefusedError) as caught:
            await send(how, server.url)
    assert 100 < len(caught.value.excerpt) <= 500
    assert caught.value.excerpt.isprintable()
    assert caught.value.excerpt.startswith("?[31mno no ")


async def test_the_errors_pickle() -> None:
    """They cross processes with values and words."""
    errors = [
        il.RequestRefusedError(request="POST to http://x", status=422, excerpt="no", sends=1),
        il.OutcomeOpenError(
            request="POST to http://x", seen="s", status=None, sends=2, server_keeps_keys=True
        ),
    ]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
