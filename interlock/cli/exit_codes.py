"""Exit codes of the command line: part of the public face."""

from enum import IntEnum
from typing import Final

from interlock.contracts.context_errors import PromotionRefusedError, UnknownFactError
from interlock.contracts.errors import (
    AnswerError,
    ConfigurationError,
    FinishedRunError,
    InterlockError,
    PlainValueError,
    PlanError,
    ThreadBusyError,
    UnfinishedRunError,
    UnknownThreadError,
)


class ExitCode(IntEnum):
    """How a command ended. A drained run ends with 128 and the signal's number instead."""

    COMPLETED = 0
    USAGE = 2
    DEGRADED = 3
    WAITING = 4
    FAILED = 5


_BY_STATUS: Final = {
    "completed": ExitCode.COMPLETED,
    "degraded": ExitCode.DEGRADED,
    "waiting": ExitCode.WAITING,
    "failed": ExitCode.FAILED,
    "cancelled": ExitCode.FAILED,
}
_CALLER_MISTAKES: Final = (
    AnswerError,
    ConfigurationError,
    FinishedRunError,
    PlainValueError,
    PlanError,
    PromotionRefusedError,
    ThreadBusyError,
    UnfinishedRunError,
    UnknownFactError,
    UnknownThreadError,
)
SIGNAL_BASE: Final = 128


def derive_run_code(status: str) -> int:
    """Return the exit code of a run's status."""
    return _BY_STATUS[status]


def derive_error_code(error: InterlockError) -> int:
    """Return 2 for a caller's mistake, 5 for anything else."""
    return ExitCode.USAGE if isinstance(error, _CALLER_MISTAKES) else ExitCode.FAILED
