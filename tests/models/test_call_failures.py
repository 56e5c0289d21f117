"""What client libraries raise becomes one of three errors, by status, code and class; never by text."""

import pickle

import pytest

from interlock.contracts.errors import ConfigurationError, PermanentError, TransientError
from interlock.contracts.model_errors import ModelAnswerError, ModelCallError, ModelRequestError
from interlock.models.call_failures import explain_failure
from interlock.models.chat_models import resolve_chat_model


class StatusError(Exception):
    """As client libraries raise it: with a status, perhaps a code."""

    def __init__(self, status: int, code: str | None = None) -> None:
        super().__init__("scripted")
        self.status_code = status
        self.code = code


class ConnectTimeout(Exception):  # noqa: N818 - as httpx names it
    """A time limit of the client's."""


class RemoteProtocolError(Exception):
    """A connection that broke."""


class BotocoreError(Exception):
    """As botocore raises it: its response is a dict."""

    def __init__(self, status: int) -> None:
        super().__init__("scripted")
        self.response = {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": status}}


FAULTS: list[tuple[Exception, str]] = [
    (StatusError(400), "bad_request"),
    (StatusError(400, "context_length_exceeded"), "context_length"),
    (StatusError(401), "credentials"),
    (StatusError(403), "credentials"),
    (StatusError(404), "not_found"),
    (StatusError(408), "server"),
    (StatusError(429), "rate_limit"),
    (StatusError(429, "insufficient_quota"), "credentials"),
    (StatusError(500), "server"),
    (StatusError(529), "server"),
    (BotocoreError(403), "credentials"),
    (BotocoreError(429), "rate_limit"),
    (ConnectTimeout(), "timeout"),
    (TimeoutError(), "timeout"),
    (ConnectionResetError(), "connection"),
    (RemoteProtocolError(), "connection"),
    (IndexError("list index out of range"), "garbled"),
    (TypeError("'NoneType' object is not iterable"), "garbled"),
]
PERMANENT = {"bad_request", "context_length", "credentials", "not_found"}


@pytest.mark.parametrize(("error", "fault"), FAULTS, ids=lambda value: str(value)[:40])
def test_a_failure_is_known_by_what_it_carries(error: Exception, fault: str) -> None:
    """Each gets its fault, and is transient or not; it pickles with its words."""
    explained = explain_failure(error, model="m")
    assert getattr(explained, "fault", None) == fault
    assert isinstance(explained, PermanentError if fault in PERMANENT else TransientError)
    assert str(pickle.loads(pickle.dumps(explained))) == str(explained)


@pytest.mark.parametrize("error", [ConfigurationError("no"), NotImplementedError(), NameError("x")])
def test_what_is_no_failure_of_the_call_passes(error: Exception) -> None:
    """A guard's refusal and a bug of the code stay what they are."""
    assert explain_failure(error, model="m") is error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModelAnswerError(fault="invalid", model="m", problems=["a is missing."]), "a is missing."),
        (ModelCallError(fault="server", model="m", seen="x", retry_after_seconds=7), "in 7 s"),
        (ModelRequestError(fault="not_found", model="m", seen="x"), "base URL"),
    ],
)
def test_an_error_says_what_to_do(error: Exception, words: str) -> None:
    """Its words name the problem and the way on."""
    assert words in str(error)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (17, "not a chat model"),
        ("gpt-4.1", "provider:model"),
        ("openai:", "provider:model"),
        ("nobody:x", "cannot be set up|not installed"),
    ],
)
def test_a_model_that_cannot_be_made_says_what_to_write(model: object, words: str) -> None:
    """A name without a provider, an unknown provider, and what is no model at all."""
    with pytest.raises(ConfigurationError, match=words):
        resolve_chat_model(model)  # type: ignore[arg-type]


def test_a_model_by_name_has_no_retries_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its waits would be outside our time; and its streams are counted."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    made = resolve_chat_model("openai:gpt-4.1")
    assert (getattr(made, "max_retries", None), getattr(made, "stream_usage", None)) == (0, True)


def test_a_missing_key_is_a_matter_of_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said when the model is made, with where to look."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="environment"):
        resolve_chat_model("openai:gpt-4.1")
