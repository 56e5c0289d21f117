"""Errors about faults: an input that its receiver refuses, a step that has no value to be wrong."""

from collections.abc import Sequence

from interlock.contracts.errors import PermanentError, RunError
from interlock.contracts.near_names import suggest_names


class InputRefusedError(PermanentError):
    """A worker finds that what its brief shows is wrong: raise it instead of working on nonsense.

    No further attempt would help, so the step takes its fallbacks; the journal blames the step whose
    output or fact it was.
    """

    inputs: tuple[str, ...]
    why: str

    def __init__(self, *inputs: str, why: str) -> None:
        """Say what is wrong with which inputs.

        Args:
            inputs: Names of inputs in the brief, or keys of its shared context.
            why: What is wrong, in words.
        """
        super().__init__(inputs=tuple(inputs), why=why)

    def __str__(self) -> str:
        """Name the inputs and the reason."""
        return f"The input {', '.join(map(repr, self.inputs))} is refused: {self.why}"


class NoValueError(RunError):
    """A step was reported as faulty that has no value on this thread."""

    thread_id: str
    step_id: str
    known: Sequence[str]

    def __init__(self, *, thread_id: str, step_id: str, known: Sequence[str]) -> None:
        """Name the step, the thread, and the steps that have values."""
        super().__init__(thread_id=thread_id, step_id=step_id, known=tuple(known))

    def __str__(self) -> str:
        """Say which steps have values."""
        return (
            f"Step {self.step_id!r} of thread {self.thread_id!r} has no value that could be wrong. "
            f"{suggest_names(self.step_id, self.known)}"
        )
