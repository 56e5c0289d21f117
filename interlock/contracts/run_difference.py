"""Where two runs of a plan parted."""

from typing import Literal, TypeAlias

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import PayloadHash, StepId, ThreadId
from interlock.contracts.plain import Plain

DifferenceKind: TypeAlias = Literal[
    "plan", "start", "upstream", "brief", "output", "verdict", "outcome"
]


class StepTrace(FrozenModel):
    """What became of one step of one run, as its journal has it.

    Attributes:
        path: Of the step.
        needs: What it waited for, by path.
        declared: The step as planned, dumped.
        worker: Of its last attempt.
        attempts: How many.
        status: How it settled; None where it has not.
        brief: As the last attempt was shown it; None where it never started.
        brief_hash: Of that brief.
        output: What the last attempt gave, or its error.
        output_hash: Of that output.
        verdict: The action of its verdict.
        failed: The criteria of it that failed, in words.
    """

    path: StepId
    needs: tuple[StepId, ...] = ()
    declared: dict[str, Plain] = {}
    worker: str | None = None
    attempts: int = 0
    status: str | None = None
    brief: dict[str, Plain] | None = None
    brief_hash: PayloadHash | None = None
    output: Plain = None
    output_hash: PayloadHash | None = None
    verdict: str | None = None
    failed: tuple[str, ...] = ()


class RunTrace(FrozenModel):
    """One run, step by step.

    Attributes:
        thread_id: Its thread.
        goal: What it is for.
        context: What it was started with.
        status: Of the run.
        steps: In an order in which each comes after what it needs.
    """

    thread_id: ThreadId
    goal: str
    context: dict[str, Plain] = {}
    status: str
    steps: tuple[StepTrace, ...] = ()


class StepDifference(FrozenModel):
    """How one step differs between two runs.

    Attributes:
        path: Of the step; empty for what the runs were started with.
        kind: `plan`: it is in one plan only, or planned otherwise; `start`: goal or context; `upstream`:
            it was shown other inputs, since a step that it reads differs; `brief`: it was shown
            something else for no such reason; `output`: equal briefs, other outputs; `verdict`: equal
            outputs, another verdict; `outcome`: it settled otherwise.
        what: The names that differ: of fields, inputs or keys.
        because: The steps that it follows from, by path.
        one: What the first run has.
        other: What the second has.
    """

    path: StepId
    kind: DifferenceKind
    what: tuple[str, ...] = ()
    because: tuple[StepId, ...] = ()
    one: Plain = None
    other: Plain = None


class RunDifference(FrozenModel):
    """Where two runs parted, and what followed.

    Attributes:
        one: The first run.
        other: The second run.
        causes: Differences that follow from no other, in the order of the plan: where they parted.
        followed: Differences that follow from these.
        same: Steps that are equal in both.
    """

    one: RunTrace
    other: RunTrace
    causes: tuple[StepDifference, ...] = ()
    followed: tuple[StepDifference, ...] = ()
    same: tuple[StepId, ...] = ()
