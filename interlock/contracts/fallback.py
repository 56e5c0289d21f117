"""Declared second ways: what a step does when its attempts are used up, in order."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from interlock.contracts.frozen_model import FrozenModel
from interlock.contracts.ids import WorkerName
from interlock.contracts.plain import Plain, parse_plain


class UseWorker(FrozenModel):
    """Let another worker try, with the step's own number of attempts."""

    kind: Literal["use_worker"] = "use_worker"
    worker: WorkerName


class UseValue(FrozenModel):
    """Settle as degraded with a declared value, if the value satisfies the output schema."""

    kind: Literal["use_value"] = "use_value"
    value: Plain


class Skip(FrozenModel):
    """Settle as skipped, without a value, stating the gap."""

    kind: Literal["skip"] = "skip"
    gap: str


class AskPerson(FrozenModel):
    """Park the step and ask a person: approve, edit, reject or respond."""

    kind: Literal["ask_person"] = "ask_person"
    prompt: str | None = None


class Abandon(FrozenModel):
    """Settle as failed; every chain ends in this, said or not."""

    kind: Literal["abandon"] = "abandon"


Fallback: TypeAlias = Annotated[
    UseWorker | UseValue | Skip | AskPerson | Abandon, Field(discriminator="kind")
]


def use_worker(worker: str) -> UseWorker:
    """Return the fallback that lets another worker try."""
    return UseWorker(worker=WorkerName(worker))


def use_value(value: object) -> UseValue:
    """Return the fallback that degrades to a declared value.

    Raises:
        PlainValueError: The value cannot be stored.
    """
    return UseValue(value=parse_plain(value))


def skip(*, gap: str) -> Skip:
    """Return the fallback that goes on without the step, stating what is missing."""
    return Skip(gap=gap)


def ask_person(prompt: str | None = None) -> AskPerson:
    """Return the fallback that parks the step until a person has decided."""
    return AskPerson(prompt=prompt)


def abandon() -> Abandon:
    """Return the fallback that settles the step as failed."""
    return Abandon()
