"""What tests may hang on every COMMIT: count durable writes, or die at one."""

from typing import Protocol


class WriteHook(Protocol):
    """Called on the writer thread around every COMMIT of queued writes.

    An exception from `before_commit` fails the whole batch, as a failing COMMIT would.
    Both must be quick: every writer waits for them.
    """

    def before_commit(self, index: int) -> None:
        """Take note that commit `index`, counted from 1 in this storage, is next."""
        ...

    def after_commit(self, index: int) -> None:
        """Take note that commit `index` is durable and that nobody knows it yet."""
        ...
