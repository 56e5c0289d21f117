"""Every error a caller can meet, split by what the caller can do about it.

    InterlockError
    +- TransientError            try again, as it is
    |  +- StepTimeoutError       an attempt took longer than its step allows
    |  +- ThreadBusyError        another process holds the thread's lease
    |  +- StorageBusyError       the database was locked for too long
    +- PermanentError            trying again will not help
    |  +- PlainValueError        a value that no checkpoint can hold
    |  +- StorageError           the database cannot be used
    |     +- StorageSchemaError  it is foreign, or newer than this release
    |     +- StorageCorruptError its file is damaged
    |     +- StorageReadOnlyError / StorageFullError
    +- PlanError                 change the plan; lists every problem at once
    +- AnswerError               ask again
    |  +- UnknownQuestionError   no such question on this thread
    |  +- StaleAnswerError       the question has been answered or has changed
    |  +- InvalidAnswerError     the answer is not one of the allowed decisions
    +- RunError                  the call does not fit the thread's state
    |  +- UnknownThreadError     no run was ever started there
    |  +- UnfinishedRunError     a run is under way: resume it
    |  +- FinishedRunError       the run has ended: use another thread
    |  +- DrainedError           the run was asked to stop and can be resumed
    |  +- LeaseLostError         another process took the thread over
    +- ContractError             our bug, or a checkpoint of another version
       +- ConfigurationError     a setting that cannot work; says which to use
       +- SchemaVersionError     the checkpoint was written by another version

Those about the shared context stand in `context_errors`: PromotionRefusedError is permanent,
UnknownFactError a RunError.

Those about tool calls stand in `effect_errors`, each below one of these: transient are
NotAppliedError (with AttemptOverError), EffectBusyError and OutcomeOpenError; permanent are
EffectUnknownError, KeyReusedError, RecordedEffectError and RequestRefusedError; about answers are
UnknownEffectError and EffectSettledError; NoEffectScopeError is a ConfigurationError. Those about
notes stand in `scratchpad_errors`, both permanent: ScratchpadFullError and ScratchpadOverError.

Values are attributes, words are made in `__str__`, and every class pickles. Never
branch on the text of a message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_PATH_CHARS: Final = 120


class InterlockError(Exception):
    """Anything interlock raises on purpose."""

    def __init__(self, message: str = "", **values: object) -> None:
        """Keep the values as attributes.

        Args:
            message: A ready sentence, for classes that word nothing themselves.
            values: What the error is about.
        """
        super().__init__(message)
        self.message = message
        self.values = values
        for name, value in values.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by class, message and values."""
        return _revive, (type(self), self.message, self.values)

    def __str__(self) -> str:
        """Return what happened, what was seen and what to do."""
        return self.message


def _revive(cls: type[InterlockError], message: str, values: dict[str, object]) -> InterlockError:
    """Build an error again from what `__reduce__` kept, whatever its `__init__` asks for."""
    error = cls.__new__(cls)
    InterlockError.__init__(error, message, **values)
    return error


class TransientError(InterlockError):
    """A failure that may pass, as every error of a worker does that is not permanent."""


class PermanentError(InterlockError):
    """A failure that repeats: raise it from a worker to go straight to the fallbacks."""


class StepTimeoutError(TransientError):
    """An attempt took longer than its step allows."""

    step_id: str
    seconds: float

    def __init__(self, *, step_id: str, seconds: float) -> None:
        """Name the step and its limit."""
        super().__init__(step_id=step_id, seconds=seconds)

    def __str__(self) -> str:
        """Say which limit was passed."""
        return (
            f"Step {self.step_id!r} did not end within {self.seconds:.3g} s, which is what its "
            "timeout or a budget's wall time left it. Raise that, or make the worker faster."
        )


class ThreadBusyError(TransientError):
    """Another process holds the thread's lease."""

    thread_id: str
    owner: str
    seconds_left: float

    def __init__(self, *, thread_id: str, owner: str, seconds_left: float) -> None:
        """Name the thread, who holds it and for how long at most."""
        super().__init__(thread_id=thread_id, owner=owner, seconds_left=seconds_left)

    def __str__(self) -> str:
        """Say who holds the thread and when to come back."""
        return (
            f"Thread {self.thread_id!r} is being run by {self.owner}; its lease ends in "
            f"{max(self.seconds_left, 0):.0f} s unless renewed. Wait for it, or stop that process."
        )


class StorageBusyError(TransientError):
    """The database was locked by another connection for too long."""


class PlainValueError(PermanentError):
    """A value that no checkpoint can hold."""

    path: str
    seen: str

    def __init__(self, *, path: str, seen: str) -> None:
        """Name where the value lies and what was seen there."""
        super().__init__(path=path, seen=seen)

    def __str__(self) -> str:
        """Say where, what, and what is allowed."""
        path = self.path if len(self.path) <= _PATH_CHARS else f"{self.path[:_PATH_CHARS]}..."
        return (
            f"{path} is {self.seen}: it cannot be stored. Use None, bool, int of 64 bits, finite "
            "float, str, list, dict with str keys, or a pydantic model of these."
        )


class StorageError(PermanentError):
    """The database cannot be used; the message says why and what to do."""


class StorageSchemaError(StorageError):
    """The database is foreign, or was written by a newer release; it was left untouched."""


class StorageCorruptError(StorageError):
    """The database file is damaged; it was left untouched."""


class StorageReadOnlyError(StorageError):
    """The database or its folder cannot be written."""


class StorageFullError(StorageError):
    """The disk has no room left."""


@dataclass(frozen=True, slots=True)
class PlanProblem:
    """One thing wrong with a task graph.

    Attributes:
        code: A stable word to branch on, e.g. `unknown_worker`.
        message: What was seen and what to do, in words.
        step_id: The step it concerns, if one.
    """

    code: str
    message: str
    step_id: str | None = None


class PlanError(InterlockError):
    """A task graph that must not run; `problems` holds all that is wrong with it."""

    problems: Sequence[PlanProblem]

    def __init__(self, problems: Sequence[PlanProblem]) -> None:
        """Keep every problem, in plan order."""
        super().__init__(problems=tuple(problems))

    def __str__(self) -> str:
        """List every problem, one a line."""
        count = len(self.problems)
        lines = "\n".join(f"  - {problem.message}" for problem in self.problems)
        return f"The task graph has {count} problem{'s' * (count != 1)}:\n{lines}"


class AnswerError(InterlockError):
    """An answer that was not taken; nothing was changed."""


class UnknownQuestionError(AnswerError):
    """No such question is known on this thread."""

    question_id: str
    thread_id: str
    open_ids: Sequence[str]

    def __init__(self, *, question_id: str, thread_id: str, open_ids: Sequence[str]) -> None:
        """Name the question, the thread and what is open there."""
        super().__init__(question_id=question_id, thread_id=thread_id, open_ids=tuple(open_ids))

    def __str__(self) -> str:
        """Say which ids are open."""
        known = ", ".join(self.open_ids) or "none"
        return (
            f"Thread {self.thread_id!r} has no question {self.question_id!r}. "
            f"Open questions: {known}. Use one of these ids."
        )


class StaleAnswerError(AnswerError):
    """The question was answered before, or what was shown has changed."""

    question_id: str
    reason: str

    def __init__(self, *, question_id: str, reason: str) -> None:
        """Name the question and why the answer came too late."""
        super().__init__(question_id=question_id, reason=reason)

    def __str__(self) -> str:
        """Say why, and how to see what is open now."""
        return (
            f"The answer to question {self.question_id!r} was refused: {self.reason}. "
            "Read the open questions again and answer what is shown there."
        )


class InvalidAnswerError(AnswerError):
    """The answer is not one of the allowed decisions, or its value is no good."""

    question_id: str
    reason: str

    def __init__(self, *, question_id: str, reason: str) -> None:
        """Name the question and what is wrong with the answer."""
        super().__init__(question_id=question_id, reason=reason)

    def __str__(self) -> str:
        """Say what is wrong."""
        reason = self.reason.rstrip(".")
        return (
            f"The answer to question {self.question_id!r} cannot be used: {reason}. "
            "Correct it and answer again; the question is still open."
        )


class RunError(InterlockError):
    """A call that does not fit the thread's state."""


class UnknownThreadError(RunError):
    """No run was ever started on this thread in this storage."""

    thread_id: str

    def __init__(self, *, thread_id: str) -> None:
        """Name the thread."""
        super().__init__(thread_id=thread_id)

    def __str__(self) -> str:
        """Say what to check."""
        return (
            f"No run was ever started on thread {self.thread_id!r} in this storage. "
            "Check the thread id and the storage URL, or start a run with ainvoke."
        )


class UnfinishedRunError(RunError):
    """The thread has a run that is not finished."""

    thread_id: str
    status: str

    def __init__(self, *, thread_id: str, status: str) -> None:
        """Name the thread and where its run stands."""
        super().__init__(thread_id=thread_id, status=status)

    def __str__(self) -> str:
        """Say how to go on."""
        way = "aanswer" if self.status == "waiting" else "aresume"
        return (
            f"Thread {self.thread_id!r} has an unfinished run ({self.status}). Go on with "
            f"{way}({self.thread_id!r}), or start the new goal on another thread id. "
            f"(After a crash, aresume continues where it stopped.)"
        )


class FinishedRunError(RunError):
    """The thread's run has ended; terminal statuses absorb (I9)."""

    thread_id: str
    status: str

    def __init__(self, *, thread_id: str, status: str) -> None:
        """Name the thread and how its run ended."""
        super().__init__(thread_id=thread_id, status=status)

    def __str__(self) -> str:
        """Say how to read the result and how to start anew."""
        return (
            f"The run on thread {self.thread_id!r} has ended ({self.status}). Read its result "
            f"with aresume({self.thread_id!r}), or use a new thread id for a new goal."
        )


class DrainedError(RunError):
    """The run was asked to stop, stopped cleanly, and can be resumed."""

    thread_id: str
    reason: str

    def __init__(self, *, thread_id: str, reason: str) -> None:
        """Name the thread and why it stopped."""
        super().__init__(thread_id=thread_id, reason=reason)

    def __str__(self) -> str:
        """Say how to go on."""
        return (
            f"The run on thread {self.thread_id!r} stopped cleanly ({self.reason}); what was "
            f"done is kept. Go on with aresume({self.thread_id!r})."
        )


class LeaseLostError(RunError):
    """Another process took the thread over; this one wrote nothing more."""

    thread_id: str
    token: int

    def __init__(self, *, thread_id: str, token: int) -> None:
        """Name the thread and the fencing token that is no longer valid."""
        super().__init__(thread_id=thread_id, token=token)

    def __str__(self) -> str:
        """Say what happened and that nothing was lost."""
        return (
            f"This process lost its lease on thread {self.thread_id!r} (fencing token "
            f"{self.token}): another one took over, and nothing more was written here. "
            "Read the thread's status; do not start it again while the other process runs it."
        )


class ContractError(InterlockError):
    """A bug of ours, or a checkpoint that another version wrote."""


class ConfigurationError(ContractError):
    """A setting that cannot work; the message names the one to use."""


class SchemaVersionError(ContractError):
    """The checkpoint's state has a schema version that this release does not read."""

    seen: int
    known: int

    def __init__(self, *, seen: int, known: int) -> None:
        """Name both versions."""
        super().__init__(seen=seen, known=known)

    def __str__(self) -> str:
        """Say which release to use."""
        return (
            f"The thread's state has schema version {self.seen!r}; this release reads "
            f"{self.known}. Resume it with the release that wrote it, or upgrade interlock."
        )


STORAGE_FAILURES: Final = (StorageError, StorageBusyError, LeaseLostError, ThreadBusyError)
"""What our storage raises when it cannot keep a run's state."""
