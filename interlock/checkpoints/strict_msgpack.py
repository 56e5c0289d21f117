"""LangGraph must be imported in strict mode, or a forged row could call any function."""

import os
from typing import Final

from langgraph._internal import _serde
from langgraph.checkpoint.serde import _msgpack

from interlock.contracts.errors import ConfigurationError

VARIABLE: Final = "LANGGRAPH_STRICT_MSGPACK"


def switch_on_strict_msgpack() -> None:
    """Make LangGraph strict although it was imported before interlock.

    It reads the variable once, when it is imported, and looks at what it read when a saver is
    built and a graph is compiled. A variable that says no is left alone, and
    `require_strict_msgpack` then refuses.
    """
    if os.environ.get(VARIABLE, "true").lower() in {"1", "true", "yes"}:
        _msgpack.STRICT_MSGPACK_ENABLED = True
        _serde.STRICT_MSGPACK_ENABLED = True  # type: ignore[attr-defined]


def require_strict_msgpack() -> None:
    """Refuse to go on if LangGraph was imported without strict msgpack.

    LangGraph reads the variable once, when it is imported; `import interlock` sets it.

    Raises:
        ConfigurationError: It was imported without; the message says what to do.
    """
    if not _msgpack.STRICT_MSGPACK_ENABLED:
        raise ConfigurationError(
            f"LangGraph was imported without {VARIABLE}, so a forged checkpoint could call any "
            f"function when it is read. Import interlock before langgraph, or set {VARIABLE}=true "
            "in the environment."
        )
