"""A plan that is still being written while its first steps run.

A planner that streams yields steps and, at the end, the whole plan. It is read in a task of its own,
which belongs to the run in this process and ends with it. The planner node waits for the first
steps that may start and lets them run as an open plan; dispatch takes up the rest. Each part is a
version in the journal before a step of it starts, so that whoever goes on after a crash knows what
has begun, and asks the planner to go on from there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from interlock.contracts.errors import PlanError, PlanProblem
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.plan import Step, TaskGraph
from interlock.contracts.spending import Caller
from interlock.contracts.storage import Storage
from interlock.contracts.worker import PlannerLike, PlanRequest, StreamingPlanner
from interlock.nodes.run.run_state import RunState

Check = Callable[[TaskGraph], Awaitable[None]]
"""Returns if a plan may run; raises PlanError."""


def find_streaming(planner: PlannerLike) -> StreamingPlanner | None:
    """Return a planner that streams and is to; None if it is none or is not to."""
    if isinstance(planner, StreamingPlanner) and planner.stream:
        return planner
    return None


class PlanStream:
    """A plan on its way.

    Attributes:
        plan: The newest part that may run: an open plan, and in the end the whole. None before the
            first.
        error: Why the rest does not come, once that is known.
    """

    def __init__(self, goal: str, *, check: Check) -> None:
        """Expect a plan for a goal.

        Args:
            goal: Of the run.
            check: Whether a part may run.
        """
        self.plan: TaskGraph | None = None
        self.error: BaseException | None = None
        self._goal = goal
        self._taken: TaskGraph | None = None
        self._check = check
        self._pending: list[Step] = []
        self._is_stuck = False
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self._task is None or self._task.done()

    def begin(self, read: Callable[[], Awaitable[None]]) -> None:
        """Read the stream in a task of its own.

        Args:
            read: Reads to the end, and hands over what comes with `add` and `end`.
        """
        self._task = asyncio.ensure_future(self._read(read))
        self._task.add_done_callback(lambda _: self._changed.set())

    def stop(self) -> None:
        """Read no further; what has come stays."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Read no further, and return once nothing of it is left."""
        self.stop()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _read(self, read: Callable[[], Awaitable[None]]) -> None:
        try:
            await read()
        except BaseException as exc:  # whoever waits for the rest is told
            self.error = exc
            if not isinstance(exc, Exception):
                raise

    async def wait(self) -> None:
        """Return once there is a part that nobody has taken, or nothing more comes."""
        while self.plan is self._taken and not self.is_over:
            self._changed.clear()
            await self._changed.wait()

    def take_part(self) -> TaskGraph | None:
        """Return the newest part, once; None if it was taken."""
        if self.plan is self._taken:
            return None
        self._taken = self.plan
        return self.plan

    async def add(self, step: Step) -> None:
        """Take up a step: it may start once it and all that it needs may run.

        One that may not is kept back, and what comes after it: the whole will be refused.
        """
        if self._is_stuck:
            return
        self._pending.append(step)
        known = () if self.plan is None else self.plan.steps
        ready = _list_startable(known, self._pending)
        if not ready:
            return
        part = TaskGraph(goal=self._goal, steps=(*known, *ready), is_open=True)
        try:
            await self._check(part)
        except PlanError:
            self._is_stuck = True
            return
        self._pending = [one for one in self._pending if one not in ready]
        self._show(part)

    async def end(self, whole: TaskGraph) -> None:
        """Take up the whole plan.

        Raises:
            PlanError: It may not run, or changes a step that may have started.
        """
        problems = list(_find_changes(self.plan, whole))
        try:
            await self._check(whole)
        except PlanError as exc:
            problems.extend(exc.problems)
        if problems:
            raise PlanError(problems)
        begun = () if self.plan is None else self.plan.steps
        ids = {step.id for step in begun}
        rest = tuple(step for step in whole.steps if step.id not in ids)
        self._show(whole.model_copy(update={"steps": (*begun, *rest)}))

    def _show(self, plan: TaskGraph) -> None:
        self.plan = plan
        self._changed.set()


def _list_startable(known: Sequence[Step], pending: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps that come after known ones with all that they need, in the order they came."""
    there = {step.id for step in known}
    ready: list[Step] = []
    is_more = True
    while is_more:
        fresh = [
            step
            for step in pending
            if step not in ready and all(need.step in there for need in step.needs)
        ]
        ready += fresh
        there |= {step.id for step in fresh}
        is_more = bool(fresh)
    return tuple(ready)


def _find_changes(begun: TaskGraph | None, whole: TaskGraph) -> list[PlanProblem]:
    new: Mapping[StepId, Step] = whole.index_steps()
    return [
        PlanProblem(
            "changed_step",
            f"Step {step.id!r} may have started when it was first said, and the whole plan has it "
            "otherwise or not at all. Keep what was said.",
            step.id,
        )
        for step in (() if begun is None else begun.steps)
        if new.get(step.id) != step
    ]


async def read_stream(planner: StreamingPlanner, request: PlanRequest, stream: PlanStream) -> None:
    """Read a planner's stream to its end.

    Raises:
        PlanError: There is no whole plan at its end, or it may not run.
    """
    whole: TaskGraph | None = None
    async for part in planner.astream_plan(request):
        if isinstance(part, TaskGraph):
            whole = part
        else:
            await stream.add(part)
    if whole is None:
        problem = PlanProblem("no_plan", "The stream ended without a whole plan at its end.")
        raise PlanError([problem])
    await stream.end(whole)


def word_part(part: TaskGraph) -> str:
    """Return for the journal what a part of a plan is."""
    count = f"{len(part.steps)} step{'s' * (len(part.steps) != 1)}"
    return f"streamed, {count} so far" if part.is_open else f"streamed, {count} in all"


def name_planner(scope: str, *, superstep: str, attempt: int) -> Caller:
    """Return on whose behalf a planner's models are called."""
    return Caller(
        path=StepId(scope), superstep=superstep, attempt=attempt, role="planner", worker="planner"
    )


async def load_parts(
    storage: Storage, state: RunState, thread_id: ThreadId, *, superstep: str
) -> Sequence[TaskGraph]:
    """Return the parts of a streamed plan that a dispatch has taken up before, oldest first."""
    if not state.get("plan_streamed_in"):
        return ()
    owner = StepId(state["scope"].removesuffix("/")) or None
    parts: list[TaskGraph] = []
    for handoff in await storage.load_handoffs(thread_id, step_id=owner):
        place = (handoff.kind, handoff.sender, handoff.superstep, handoff.step_id)
        if place == ("plan", "planner", superstep, owner):
            payload = await storage.load_payload(thread_id, handoff.payload_hash)
            parts.append(TaskGraph.model_validate(payload))
    return parts
