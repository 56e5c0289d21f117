"""Tells the listeners of a run that one of its calls has changed a breaker."""

import asyncio

from interlock.contracts.ids import ThreadId
from interlock.contracts.limits import BreakerChange, Notice
from interlock.nodes.run.team import Team
from interlock.telemetry.events import BreakerChanged


def build_notice(team: Team, thread_id: ThreadId) -> Notice:
    """Return who tells the listeners of a run that a breaker has changed."""
    loop = asyncio.get_running_loop()

    def notice(change: BreakerChange) -> None:
        event = BreakerChanged(
            thread_id=thread_id,
            at=team.clock.now(),
            name=change.name,
            state=change.state,
            until=change.until,
            reason=change.reason,
        )
        if not loop.is_closed():
            loop.call_soon_threadsafe(team.emit, event)

    return notice
