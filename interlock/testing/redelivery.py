"""Deliver an attempt's tool calls once more, as a network, a retry or a second process would."""

from collections.abc import Generator
from contextlib import contextmanager

from interlock.contracts.errors import ConfigurationError
from interlock.tools.effect_scope import CURRENT_SCOPE


@contextmanager
def redelivery() -> Generator[None]:
    """Take the guarded calls inside the block for deliveries of calls that the attempt makes.

    The first call inside is the attempt's first call again, and so on; it is a duplicate, whether
    the original has ended, is running, or comes later. Without the block, an equal call in the same
    attempt is a second effect.

    Raises:
        ConfigurationError: There is no attempt here: not in a worker, nor in `il.effects(...)`.
    """
    scope = CURRENT_SCOPE.get()
    if scope is None:
        raise ConfigurationError(
            "There is no attempt whose calls could be delivered again. Use redelivery() inside a "
            "worker, or inside `with il.effects(...)`."
        )
    token = CURRENT_SCOPE.set(scope.repeat())
    try:
        yield
    finally:
        CURRENT_SCOPE.reset(token)
