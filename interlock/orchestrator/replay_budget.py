"""What bounds the model calls of a replay: the step's and the run's budgets, begun anew (I11).

Nothing is written down: what a replay uses is no part of the run that it repeats.
"""

from typing import Final, cast

from interlock.contracts.ids import StepId
from interlock.contracts.replay import Recording
from interlock.contracts.spending import Caller, CallRole
from interlock.contracts.storage import Batch, Storage
from interlock.nodes.calls.budget_guard import BudgetGuard
from interlock.nodes.run.live_run import LiveRun
from interlock.nodes.run.team import Team


class _Unwritten:
    """A storage for what counts calls: it takes everything, and keeps nothing."""

    def post(self, thread_id: str, batch: Batch) -> None:
        """Forget it."""

    async def flush(self, thread_id: str) -> None:
        """Return at once."""


_UNWRITTEN: Final = cast("Storage", _Unwritten())


def build_replay_guard(
    team: Team, live: LiveRun, recorded: Recording, *, role: CallRole, worker: str
) -> BudgetGuard:
    """Return the guard of the models that a worker, or a judge, calls in a replay.

    Args:
        team: At work.
        live: Holds the run's budget; of this replay alone.
        recorded: What is replayed.
        role: Whose calls they are.
        worker: Who works, or judges.
    """
    caller = Caller(
        path=recorded.path,
        superstep=recorded.superstep,
        attempt=recorded.attempt,
        role=role,
        worker=worker,
    )
    return BudgetGuard(
        account=live.get_step_account(StepId(recorded.path), recorded.step.budget),
        caller=caller,
        thread_id=recorded.thread_id,
        storage=_UNWRITTEN,
        prices=live.prices,
        clock=team.clock,
    )
