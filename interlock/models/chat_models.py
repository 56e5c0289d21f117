"""Chat models by name or ready made, set so that retries and time limits are ours."""

import importlib
from importlib.util import find_spec
from typing import Any

from langchain_core.language_models import BaseChatModel

from interlock.contracts.errors import ConfigurationError


def resolve_chat_model(model: BaseChatModel | str) -> BaseChatModel:
    """Return a chat model; one given by name is built without retries of its own.

    A client's own retries sleep where nobody can see or shorten it. Ours are inside the caller's
    time and honour `Retry-After`. A model that is given ready made stays as it is.

    Args:
        model: A chat model of LangChain's, or `provider:model` such as `openai:gpt-4.1`.

    Raises:
        ConfigurationError: It is neither, or the provider's package is missing or refuses.
    """
    if isinstance(model, BaseChatModel):
        return model
    if not isinstance(model, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"{model!r} is not a chat model. Give one of LangChain's chat models itself (not bound "
            "or piped), or a name such as 'openai:gpt-4.1'."
        )
    provider, _, name = model.partition(":")
    if not provider or not name:
        raise ConfigurationError(
            f"{model!r} does not name a model. Write provider:model, such as 'openai:gpt-4.1'."
        )
    settings: dict[str, Any] = {"max_retries": 0}
    if provider == "openai":
        settings["stream_usage"] = True  # else streams to other base URLs go uncounted
    return _build(provider, name, settings)


def _build(provider: str, name: str, settings: dict[str, Any]) -> BaseChatModel:
    try:
        if provider == "openai":
            made = importlib.import_module("langchain_openai").ChatOpenAI(model=name, **settings)
        else:
            factory = importlib.import_module("langchain.chat_models").init_chat_model
            made = factory(name, model_provider=provider, **settings)
    except ImportError as exc:
        raise ConfigurationError(_word_missing(provider, name)) from exc
    except Exception as exc:  # a provider's own check of keys and settings may raise anything
        raise ConfigurationError(
            f"The model '{provider}:{name}' cannot be set up: {exc}. Check its settings in the "
            "environment (such as the API key), or give a chat model that is ready made."
        ) from exc
    assert isinstance(made, BaseChatModel)  # noqa: S101 - no configurable fields were asked for
    return made


def _word_missing(provider: str, name: str) -> str:
    wanted = f"The model '{provider}:{name}' needs a package that is not installed. "
    if provider == "openai":
        return f"{wanted}Run: pip install 'interlock[openai]'"
    if find_spec("langchain") is None:
        return f"{wanted}Run: pip install langchain and the provider's package."
    return f"{wanted}Install the provider's LangChain package, such as langchain-{provider}."


def name_chat_model(model: BaseChatModel) -> str:
    """Return what a chat model is called by its provider; its class's name if it does not say."""
    for field in ("model_name", "model", "model_id", "name"):
        name = getattr(model, field, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__
