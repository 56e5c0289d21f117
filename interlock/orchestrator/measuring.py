"""Metrics of what a storage holds: of a thread, of a team, of a time."""

from datetime import datetime

from interlock.contracts.errors import ConfigurationError, UnknownThreadError
from interlock.contracts.ids import ThreadId
from interlock.contracts.measures import MeasureWindow
from interlock.contracts.storage import Storage
from interlock.telemetry.metrics import Metrics, derive_metrics


async def load_metrics(
    storage: Storage,
    *,
    thread_id: str | None = None,
    team: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    step_prefix: str = "",
) -> Metrics:
    """Return the metrics of a window.

    Raises:
        ConfigurationError: A time has no zone, or the window ends before it begins.
        UnknownThreadError: No run was ever started on the thread.
    """
    window = await build_window(
        storage,
        thread_id=thread_id,
        team=team,
        since=since,
        until=until,
        step_prefix=step_prefix,
    )
    return derive_metrics(await storage.measures.measure(window), window)


async def build_window(
    storage: Storage,
    *,
    thread_id: str | None,
    team: str | None,
    since: datetime | None,
    until: datetime | None,
    step_prefix: str,
) -> MeasureWindow:
    """Return a window that can be counted.

    Raises:
        ConfigurationError: A time has no zone, or the window ends before it begins.
        UnknownThreadError: No run was ever started on the thread.
    """
    for name, instant in (("since", since), ("until", until)):
        if instant is not None and instant.tzinfo is None:
            raise ConfigurationError(
                f"{name} is {instant.isoformat()}, without a time zone. Give it one, such as "
                "datetime.now(UTC)."
            )
    if since is not None and until is not None and until <= since:
        raise ConfigurationError(
            f"The window ends at {until.isoformat()} and begins at {since.isoformat()}. Let it end "
            "after it begins."
        )
    if thread_id is not None and await storage.load_run(ThreadId(thread_id)) is None:
        raise UnknownThreadError(thread_id=thread_id)
    return MeasureWindow(
        thread_id=None if thread_id is None else ThreadId(thread_id),
        team=team or None,
        since=since,
        until=until,
        step_prefix=step_prefix,
    )
