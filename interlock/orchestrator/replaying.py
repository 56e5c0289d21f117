"""Replaying recorded handoffs through the facade: one, or many as a regression test."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from interlock.contracts.clock import Clock
from interlock.contracts.criteria import Criterion
from interlock.contracts.errors import ConfigurationError, InterlockError
from interlock.contracts.ids import ThreadId
from interlock.contracts.measures import MeasureWindow
from interlock.contracts.replay import (
    RecordedPlace,
    Recording,
    Replay,
    ReplayFailure,
    ReplayReport,
)
from interlock.contracts.storage import Storage
from interlock.contracts.worker import Worker
from interlock.nodes.run.team import Team
from interlock.orchestrator.recorded_attempts import RecordedJournal, load_recorded
from interlock.orchestrator.replay_run import ReplayTerms, replay, require_criteria
from interlock.orchestrator.thread_views import ThreadViews

_MOST: Final = 1000
_JOURNALS: Final = 32


class Replaying(ThreadViews):
    """The part of a team's facade that works on recorded briefs once more, and changes nothing."""

    _team: Team
    _clock: Clock

    async def areplay(
        self,
        thread_id: str,
        step: str,
        attempt: int | None = None,
        worker: Worker | str | None = None,
        criteria: Sequence[Criterion] | None = None,
    ) -> Replay:
        """Work on one recorded brief once more, and judge what comes of it.

        Nothing is promoted, recorded or asked. Calls of guarded tools are answered from the ledger;
        one that has no recorded answer is refused. Models that the worker calls are really called,
        and so are tools that nobody guards.

        Args:
            thread_id: The thread; its run may be under way, wait or have ended.
            step: The step, by path, `outer/inner` in nested teams.
            attempt: From 1; the last that was reviewed if left out.
            worker: Who works: another worker of the team by name, or any `il.Worker`; the recorded
                one, as it is declared now, if left out; `"recorded"` for nobody: the recorded output
                is judged anew.
            criteria: In the place of the step's own.

        Raises:
            UnknownThreadError: No run was ever started there.
            NoBriefError: There is no such attempt.
            ConfigurationError: The team has no such worker, or a criterion can never be decided.
            ContractError: The brief cannot be made again as it was shown.
        """
        recorded = await load_recorded(self._open_storage, thread_id, step, attempt=attempt)
        terms = ReplayTerms(team=self._team, worker=worker, criteria=criteria)
        return await replay(terms, recorded)

    async def arecording(self, thread_id: str, step: str, attempt: int | None = None) -> Recording:
        """Return all of one recorded attempt, to be kept outside the storage: `interlock export`.

        Args:
            thread_id: The thread.
            step: The step, by path.
            attempt: From 1; the last that was reviewed if left out.

        Raises:
            UnknownThreadError: No run was ever started there.
            NoBriefError: There is no such attempt.
        """
        return await load_recorded(self._open_storage, thread_id, step, attempt=attempt)

    async def areplay_recording(
        self,
        recording: Recording,
        *,
        worker: Worker | str | None = None,
        criteria: Sequence[Criterion] | None = None,
    ) -> Replay:
        """Do as `areplay` does, with an attempt that was recorded elsewhere; opens no storage."""
        terms = ReplayTerms(team=self._team, worker=worker, criteria=criteria)
        return await replay(terms, recording)

    async def areplay_many(  # noqa: PLR0913 - which, with what and how many at once
        self,
        *,
        step: str | None = None,
        thread_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        worker: Worker | str | None = None,
        criteria: Sequence[Criterion] | None = None,
        most: int = _MOST,
        at_once: int = 4,
        tell: Callable[[Replay | ReplayFailure], None] | None = None,
    ) -> ReplayReport:
        """Work on many recorded briefs once more: how many verdicts would change?

        A regression test for a new prompt, model or criterion. One that cannot be replayed is told
        apart, and stops no other.

        Args:
            step: Only of this step, by path; of all if left out.
            thread_id: Only of this thread.
            since: Attempts that returned from then on.
            until: Attempts that returned before.
            worker: As for `areplay`.
            criteria: As for `areplay`.
            most: Of these, the newest.
            at_once: How many are worked on at a time.
            tell: Called with each as it is done, in whatever order.

        Raises:
            ConfigurationError: A criterion can never be decided, or a number is below 1.
        """
        if most < 1 or at_once < 1:
            raise ConfigurationError(f"most is {most} and at_once {at_once}. Give 1 or more.")
        terms = ReplayTerms(team=self._team, worker=worker, criteria=criteria)
        require_criteria(terms, within=True)
        window = MeasureWindow(
            thread_id=None if thread_id is None else ThreadId(thread_id),
            since=since,
            until=until,
            step_prefix=step or "",
        )
        places = await self._open_storage.measures.list_attempts(window, most=most)
        shelf = _Shelf(self._open_storage)
        slots = asyncio.Semaphore(at_once)

        async def replay_at(place: RecordedPlace) -> Replay | ReplayFailure:
            async with slots:
                done = await _replay_at(place, terms, shelf=shelf)
            if tell is not None:
                tell(done)
            return done

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(replay_at(place)) for place in places]
        done = [task.result() for task in tasks]
        return ReplayReport(
            replays=tuple(one for one in done if isinstance(one, Replay)),
            failures=tuple(one for one in done if isinstance(one, ReplayFailure)),
        )


class _Shelf:
    """The journals of the threads that were asked for last, each read once."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._held: OrderedDict[ThreadId, asyncio.Future[RecordedJournal]] = OrderedDict()

    async def take(self, thread_id: ThreadId) -> RecordedJournal:
        """Return a thread's journal."""
        held = self._held.get(thread_id)
        if held is None:
            held = asyncio.ensure_future(RecordedJournal.open(self._storage, thread_id))
            self._held[thread_id] = held
        self._held.move_to_end(thread_id)
        while len(self._held) > _JOURNALS:
            self._held.popitem(last=False)
        return await asyncio.shield(held)


async def _replay_at(
    place: RecordedPlace, terms: ReplayTerms, *, shelf: _Shelf
) -> Replay | ReplayFailure:
    try:
        journal = await shelf.take(place.thread_id)
        recorded = await journal.load(place.step, attempt=place.attempt, superstep=place.superstep)
        return await replay(terms, recorded)
    except InterlockError as exc:
        return ReplayFailure(
            thread_id=place.thread_id, step=place.step, attempt=place.attempt, why=str(exc)
        )
