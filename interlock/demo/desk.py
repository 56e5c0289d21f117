"""The retail desk's team: `records` reads, `orders` writes, `clerk` reports.

A worker sees its brief and nothing else. Called by whoever runs tickets.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from pydantic import ValidationError

from interlock.contracts.brief import Brief
from interlock.contracts.errors import PermanentError
from interlock.contracts.ids import IdempotencyKey, WorkerName
from interlock.contracts.worker import Worker
from interlock.demo.answers import ClerkReport, ShopAnswer
from interlock.demo.call_requests import ReportRequest, ShopCall
from interlock.demo.clerk import compose_report
from interlock.demo.shop import REFUSAL_START, TOOLS, Effect, Shop
from interlock.demo.ticket_planner import CLERK, ORDERS, RECORDS
from interlock.tools.idempotent import idempotent

Write: TypeAlias = Callable[..., Awaitable[str]]
"""A guarded tool: the arguments by name in, the shop's answer out."""

_READING: Final[frozenset[Effect]] = frozenset({"read", "none"})
_WRITING: Final[frozenset[Effect]] = frozenset({"write"})


def build_workers(shop: Shop) -> list[Worker]:
    """Return the desk's three workers over one shop.

    A call to the shop runs in a thread. Writes are guarded: each takes effect once, however often
    an attempt is repeated, and its answer is looked up in the shop where it was lost.
    """
    writes = build_writes(shop)
    return [
        Worker(
            name=RECORDS,
            agent=_build_reader(shop),
            description="Looks up customers, orders and products in the shop; changes nothing.",
            output=ShopAnswer,
        ),
        Worker(
            name=ORDERS,
            agent=_build_writer(writes),
            description="Changes orders and customers in the shop, one call a step.",
            output=ShopAnswer,
            tools=tuple(writes.values()),
        ),
        Worker(
            name=CLERK,
            agent=write_report,
            description="Says what was done for a ticket and what the shop refused.",
            output=ClerkReport,
        ),
    ]


def build_writes(shop: Shop) -> dict[str, Write]:
    """Return the shop's writing tools by name, guarded."""
    return {
        name: _build_write(shop, name) for name, tool in TOOLS.items() if tool.effect == "write"
    }


def _build_write(shop: Shop, name: str) -> Write:
    @idempotent(name=name, probe=shop.find_answer)
    async def write(*, key: IdempotencyKey, **arguments: object) -> str:
        return await asyncio.to_thread(shop.call, name, arguments, key=key)

    return write


def _build_reader(shop: Shop) -> Callable[[Brief], Awaitable[ShopAnswer]]:
    async def read_shop(brief: Brief) -> ShopAnswer:
        call = _require_call(brief)
        _require_allowed(call.tool, RECORDS, effects=_READING)
        answer = await asyncio.to_thread(shop.call, call.tool, call.arguments)
        return parse_answer(call.tool, answer)

    return read_shop


def _build_writer(writes: Mapping[str, Write]) -> Callable[[Brief], Awaitable[ShopAnswer]]:
    async def change_shop(brief: Brief) -> ShopAnswer:
        call = _require_call(brief)
        _require_allowed(call.tool, ORDERS, effects=_WRITING)
        return parse_answer(call.tool, await writes[call.tool](**call.arguments))

    return change_shop


def _require_call(brief: Brief) -> ShopCall:
    try:
        return ShopCall.model_validate(brief.inputs)
    except ValidationError as exc:
        raise PermanentError(
            f"Step {brief.step_id!r} names no call to the shop ({_shorten(exc)}). "
            'Give the step arguments={"tool": name, "arguments": {...}}.'
        ) from exc


def _shorten(exc: ValidationError) -> str:
    first = exc.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _require_allowed(tool: str, worker: WorkerName, *, effects: frozenset[Effect]) -> None:
    allowed = [name for name, known in TOOLS.items() if known.effect in effects]
    if tool not in allowed:
        raise PermanentError(
            f"Worker {worker!r} may not call {tool!r}. It may call {', '.join(allowed)}. "
            "Give the step to the other worker, or correct the tool's name."
        )


def parse_answer(tool: str, answer: str) -> ShopAnswer:
    """Return the shop's text with what can be told from it; never raises on a shop's text."""
    refused = answer.startswith(REFUSAL_START)
    record = json.loads(answer) if answer.startswith("{") else None
    return ShopAnswer(tool=tool, answer=answer, refused=refused, record=record)


async def write_report(brief: Brief) -> ClerkReport:
    """Return what was done, from the outputs of the steps that the brief lists as calls.

    Raises:
        PermanentError: The brief lists no calls, or an input is no answer of the shop.
    """
    try:
        request = ReportRequest.model_validate(brief.inputs)
        answers = {
            call.step: ShopAnswer.model_validate(brief.inputs[call.step])
            for call in request.calls
            if brief.inputs.get(call.step) is not None
        }
    except ValidationError as exc:
        raise PermanentError(
            f"Step {brief.step_id!r} cannot be reported on ({_shorten(exc)}). Give the step "
            'arguments={"ticket": {...}, "calls": [...]} and need the steps that it lists.'
        ) from exc
    return compose_report(request, answers=answers)
