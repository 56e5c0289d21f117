"""langgraph-supervisor, beside which ours is measured; it comes with the bench extra."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.language_models import BaseChatModel

from interlock.contracts.errors import ConfigurationError


def require_original() -> None:
    """Refuse before anything is measured if langgraph-supervisor is missing.

    Raises:
        ConfigurationError: It is not installed.
    """
    with _be_quiet():
        _load()


def build_original(agents: Sequence[Any], *, model: BaseChatModel, prompt: str) -> Any:  # noqa: ANN401 - a compiled graph
    """Return its supervisor as it is by default, compiled.

    Raises:
        ConfigurationError: It is not installed.
    """
    with _be_quiet():
        return _load()(agents, model=model, prompt=prompt).compile()


@contextmanager
def _be_quiet() -> Iterator[None]:
    """Pass over its warnings: it builds on what LangGraph calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _load() -> Callable[..., Any]:
    try:
        from langgraph_supervisor import create_supervisor  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise ConfigurationError(
            "This benchmark runs langgraph-supervisor too. Install it: pip install 'interlock[bench]'"
        ) from exc
    original: Callable[..., Any] = create_supervisor
    return original
