"""Turns: tickets that touch the same customer or order are answered one after another.

Each call to the shop is a transaction, a whole ticket is not: two tickets that change the
same records could mix their calls into a state that neither order of them gives. Called by
whoever answers several tickets on one shop at once, within one event loop.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from interlock.demo.tickets import Ticket


class TicketTurns:
    """Lets tickets without a common record through at once, and others one by one."""

    def __init__(self) -> None:
        """Start with nothing taken."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def take(self, ticket: Ticket) -> AsyncGenerator[None]:
        """Hold the ticket's customers and orders; waits while another ticket has one of them.

        Locks are taken in sorted order, so that tickets never wait for each other in a ring.
        """
        async with AsyncExitStack() as stack:
            for key in sorted(derive_footprint(ticket)):
                await stack.enter_async_context(self._locks[key])
            yield


def derive_footprint(ticket: Ticket) -> frozenset[str]:
    """Return the ids of the customers and orders that a ticket names."""
    named = {
        str(action.kwargs[name])
        for action in ticket.actions
        for name in ("order_id", "user_id")
        if name in action.kwargs
    }
    return frozenset({ticket.user_id, *named})
