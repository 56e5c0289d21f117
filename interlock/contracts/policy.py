"""Policies: how often, how long, how many at once, at what cost. One frozen object a concern."""

import hashlib
import sys
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, WithJsonSchema

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.prices import Price

PositiveCount = Annotated[int, Field(ge=1)]
_DURATION_TEXT = {"type": "string", "format": "duration"}
Duration = Annotated[
    timedelta,
    Field(ge=timedelta(0)),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, _DURATION_TEXT]}),
]
PositiveDuration = Annotated[
    timedelta,
    Field(gt=timedelta(0)),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _DURATION_TEXT]}),
]
Money = Annotated[Decimal, Field(gt=0, max_digits=24, decimal_places=12)]
"""An amount in the user's currency, exact."""


class Retry(FrozenModel):
    """How often a step is tried by one worker, and how long to wait in between.

    Attributes:
        max_attempts: Attempts by each worker of the chain, the first included.
        backoff: Wait before the second attempt after an error; findings are retried at once.
        multiplier: Growth of the wait from one attempt to the next.
        max_backoff: Upper bound of one wait, jitter included.
        jitter: Share of the wait, 0 to 1, that is drawn at random.
    """

    max_attempts: PositiveCount = 1
    backoff: Duration = timedelta(seconds=1)
    multiplier: Annotated[float, Field(ge=1)] = 2.0
    max_backoff: Duration = timedelta(minutes=1)
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.5


def derive_backoff_seconds(retry: Retry, *, attempt: int, seed: str) -> float:
    """Return the wait after a failed attempt, in seconds.

    Exponential backoff with partial jitter. The jitter is drawn from the seed, so that
    a resume on another machine waits for the same instant.

    Args:
        retry: The step's policy.
        attempt: The attempt that failed, from 1.
        seed: What the draw is keyed by, e.g. thread and step.
    """
    try:
        growth = retry.multiplier ** (attempt - 1)
    except OverflowError:
        growth = sys.float_info.max
    bounded = min(retry.backoff.total_seconds() * growth, retry.max_backoff.total_seconds())
    digest = hashlib.sha256(f"{seed}\x1f{attempt}".encode()).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    return bounded * (1 - retry.jitter * draw)


class Budget(FrozenModel):
    """Upper bounds of a run or a step; None is no bound.

    Attributes:
        attempts: Attempts of all steps together.
        tokens: Input and output tokens of all model calls together.
        money: What all model calls together may cost, by the prices of the run's policy.
        model_calls: Calls of models, also those that fail.
        wall_time: From the run's first node, waiting for people not excluded.
        low: Share of any bound, 0 to 1. Once less than this is left, a step that has fallbacks goes
            to them and does not start its first worker.
    """

    attempts: PositiveCount | None = None
    tokens: PositiveCount | None = None
    money: Money | None = None
    model_calls: PositiveCount | None = None
    wall_time: PositiveDuration | None = None
    low: Annotated[float, Field(ge=0, lt=1)] = 0.0


class EffectPolicy(FrozenModel):
    """What becomes of effects that nobody knows the use of, and of those that cannot be undone.

    Attributes:
        orphans: For effects of refused attempts that the accepted one did not repeat, and that no
            `undo` takes back: `ask` a person, or state a `gap`.
        ask_before_irreversible: Whether a person is asked before a worker starts that may call a
            tool which is declared irreversible.
        wait: How long a duplicate waits for a call that is running.
    """

    orphans: Literal["ask", "gap"] = "ask"
    ask_before_irreversible: bool = False
    wait: Duration = timedelta(seconds=10)


class ScratchpadPolicy(FrozenModel):
    """How much one worker may note on one step, over all its attempts on one branch.

    Attributes:
        max_notes: Notes.
        max_note_bytes: Bytes of UTF-8 in one note.
        max_bytes: Bytes of UTF-8 in all of them. They are part of the brief of every later attempt.
    """

    max_notes: PositiveCount = 200
    max_note_bytes: PositiveCount = 16_384
    max_bytes: PositiveCount = 131_072


ReplanTrigger: TypeAlias = Literal["abandoned", "gap", "stall"]


class Replan(FrozenModel):
    """When a planner is asked again about a plan that has run.

    Attributes:
        on: `abandoned`, a step failed for good; `gap`, one was skipped or settled for less; `stall`,
            one could not start.
        max_times: How often in one run, over all resumes.
    """

    on: tuple[ReplanTrigger, ...] = ("abandoned", "gap", "stall")
    max_times: PositiveCount = 3


class RunPolicy(FrozenModel):
    """What holds for a whole run.

    Attributes:
        max_parallel: Steps whose workers may run at once; None is no limit.
        retry: For steps that declare none. The default tries once.
        timeout: For steps that declare none; None is no limit.
        budget: Upper bounds of the run.
        prices: What models cost, by name; in a name, `*` stands for anything.
        approve_plan: Whether a person must approve the plan before anything runs.
        max_plan_attempts: How often a planner is asked for one version of the plan before it is
            given up: the run fails, or ends degraded with what an open plan has reached.
        replan: When the planner is asked again about what has run; None is never.
        max_plan_versions: How often an open plan may go on, the first plan included.
        max_stalled_versions: How many versions of an open plan in a row may bring no accepted step.
        effects: What becomes of effects that were in vain, or cannot be undone.
        scratchpad: How much a worker may note on a step.
        drain_grace: How long a stop request waits for running workers before cancelling them.
    """

    max_parallel: PositiveCount | None = 16
    retry: Retry = Retry()
    timeout: PositiveDuration | None = None
    budget: Budget = Budget()
    prices: dict[str, Price] = {}
    approve_plan: bool = False
    max_plan_attempts: PositiveCount = 3
    replan: Replan | None = None
    max_plan_versions: PositiveCount = 100
    max_stalled_versions: PositiveCount = 3
    effects: EffectPolicy = EffectPolicy()
    scratchpad: ScratchpadPolicy = ScratchpadPolicy()
    drain_grace: Duration = timedelta(seconds=10)
