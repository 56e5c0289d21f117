"""Reports of what a storage holds: on one run, or on all runs of a time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from interlock.contracts.effect_ledger import ListEffects
from interlock.contracts.errors import UnknownThreadError
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import ThreadId
from interlock.contracts.measures import MeasureWindow
from interlock.contracts.plan_version import PlanVersion
from interlock.contracts.run_record import RunRecord
from interlock.contracts.storage import Storage
from interlock.orchestrator.blaming import load_trails
from interlock.orchestrator.measuring import load_metrics
from interlock.orchestrator.thread_reading import load_plan_versions
from interlock.telemetry.metrics.critical_path import derive_critical_path
from interlock.telemetry.report import ManyMaterial, RunMaterial, render_many, render_run

_DAY: Final = timedelta(days=1)
_MOST_DAYS: Final = 60
_MOST_RUNS: Final = 100


async def load_report(storage: Storage, thread_id: str, *, now: datetime, command: str = "") -> str:
    """Return the page about one run.

    Args:
        storage: Where it lies.
        thread_id: Its thread.
        now: When the page is made.
        command: How a payload that is cut on the page is read in full.

    Raises:
        UnknownThreadError: No run was ever started there.
        ConfigurationError: The extra `report` is not installed.
    """
    thread = ThreadId(thread_id)
    run = await storage.load_run(thread)
    if run is None:
        raise UnknownThreadError(thread_id=thread_id)
    handoffs = await storage.load_handoffs(thread, payloads=True)
    lineage = await storage.blame.load_lineage(thread)
    return render_run(
        RunMaterial(
            run=run,
            handoffs=handoffs,
            plans=await _load_plans(storage, thread, handoffs),
            lineage=lineage,
            metrics=await load_metrics(storage, thread_id=thread_id),
            trails=await load_trails(storage, MeasureWindow(thread_id=thread)),
            critical=derive_critical_path(lineage),
            effects=await storage.ledger.apply(ListEffects(thread_id=thread)),
            calls=await storage.load_model_calls(thread),
            questions=await storage.list_questions(thread),
            answers=await storage.load_answers(thread),
            now=now,
            command=command,
        )
    )


async def load_window_report(
    storage: Storage,
    *,
    team: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime,
) -> str:
    """Return the page about all runs of a window.

    Raises:
        ConfigurationError: The window is none, or the extra `report` is not installed.
    """
    metrics = await load_metrics(storage, team=team, since=since, until=until)
    known = [run for run in await storage.list_runs() if not team or run.team == team]
    runs = [
        run
        for run in known
        if (since is None or run.accepted_at >= since)
        and (until is None or run.accepted_at < until)
    ]
    first = since or min((run.accepted_at for run in runs), default=now)
    last = _find_end(known, now=now)
    return render_many(
        ManyMaterial(
            metrics=metrics,
            days=[
                (
                    day.date().isoformat(),
                    await load_metrics(storage, team=team, since=day, until=end),
                )
                for day, end in _list_days(first, min(until or last, last))
            ],
            runs=runs[:_MOST_RUNS],
            trails=await load_trails(storage, MeasureWindow(team=team, since=since, until=until)),
            now=now,
        )
    )


def _find_end(runs: Sequence[RunRecord], *, now: datetime) -> datetime:
    """Return the instant after the last in which any of these runs did something."""
    seen = (now if run.status == "running" else run.updated_at for run in runs)
    return max(seen, default=now) + timedelta(microseconds=1)


def _list_days(first: datetime, last: datetime) -> Sequence[tuple[datetime, datetime]]:
    """Return the days of a window, in UTC, the newest of them if there are many.

    Args:
        first: From when on; the first day begins then.
        last: Before when; the last day ends then.
    """
    begin = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    number = -((begin - last) // _DAY) if first < last else 0
    days = [begin + _DAY * day for day in range(max(0, number - _MOST_DAYS), number)]
    return [(max(day, first.astimezone(UTC)), min(day + _DAY, last)) for day in days]


async def _load_plans(
    storage: Storage, thread_id: ThreadId, handoffs: Sequence[Handoff]
) -> Mapping[str, Sequence[PlanVersion]]:
    """Return the versions of all plans, by the paths of the teams whose they are."""
    steps = dict.fromkeys(handoff.step_id for handoff in handoffs if handoff.kind == "plan")
    found: dict[str, Sequence[PlanVersion]] = {}
    for step in steps:
        versions = await load_plan_versions(storage, thread_id, step=step)
        if versions:
            found[f"{step}/" if step else ""] = versions
    return found
