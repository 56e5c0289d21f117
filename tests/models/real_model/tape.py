"""Conversations with a real model, recorded once and played back, word for word.

A recording holds what was sent and what came back, and nothing of where: no host, no key, no times.
Playing is strict: a request that is not on the tape is never sent on, and all of the tape is played.
"""

import difflib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import vcr
from vcr.cassette import Cassette
from vcr.request import Request

from tests.models.real_model.real_team import NEUTRAL_URL

TAPES: Final = Path(__file__).parent / "tapes"
RECORD_AGAIN: Final = (
    "What the model is sent has changed since the run was recorded. If that is meant (a prompt, a "
    "schema), record it again and look at the difference: see 'A real model' in CONTRIBUTING.md."
)
_CREATED: Final = 1_767_268_800
_MOST_LINES: Final = 40


class TapeError(AssertionError):
    """What was asked is not what is on the tape."""


@contextmanager
def record(path: Path) -> Iterator[Cassette]:
    """Let the block talk to the model, and write all of it down."""
    with _build(record_mode="all").use_cassette(str(path)) as cassette:
        yield cassette


@contextmanager
def play(path: Path) -> Iterator[Cassette]:
    """Answer the block's calls from a tape.

    Raises:
        TapeError: It sent something else than what was recorded, or less.
    """
    asked: list[Any] = []
    player = _build(record_mode="none", hear=asked.append)
    with player.use_cassette(str(path)) as cassette:
        try:
            yield cassette
        finally:  # the block's own failure is a consequence, and is shown beside it
            _require_all_played(cassette, asked)


def read_answers(cassette: Cassette) -> list[dict[str, Any]]:
    """Return the bodies of all answers on a tape."""
    return [json.loads(answer["body"]["string"]) for answer in cassette.responses]


def _build(*, record_mode: str, hear: Any = None) -> vcr.VCR:
    def scrub_request(request: Request) -> Request:
        request = deepcopy(request)
        request.uri = f"{NEUTRAL_URL.removesuffix('/v1')}{urlsplit(request.uri).path}"
        request.headers = {"content-type": "application/json"}
        if hear is not None:
            hear(_read_body(request))
        return request

    return vcr.VCR(
        record_mode=record_mode,
        match_on=["method", "path", "body"],
        before_record_request=scrub_request,
        before_record_response=_scrub_answer,
    )


def _scrub_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what tells of a machine or an hour."""
    answer = deepcopy(answer)
    answer["headers"] = {"content-type": ["application/json"]}
    body = json.loads(answer["body"]["string"])
    body.pop("timings", None)
    body.pop("system_fingerprint", None)
    body |= {"id": "chatcmpl-recorded", "created": _CREATED}
    answer["body"] = {"string": json.dumps(body).encode()}
    return answer


def _read_body(request: Request) -> Any:
    body = request.body or b"{}"
    return json.loads(body)


def _require_all_played(cassette: Cassette, asked: list[Any]) -> None:
    """Compare what was asked, each request once or more, with what is on the tape."""
    recorded = [_read_body(request) for request in cassette.requests]
    unknown = [body for body in asked if body not in recorded]
    if unknown:
        raise TapeError(f"{RECORD_AGAIN}\n{_word_difference(recorded, unknown[0])}")
    if left := len(cassette) - cassette.play_count:
        raise TapeError(f"{RECORD_AGAIN}\n{left} recorded calls were not made.")


def _word_difference(recorded: list[Any], sent: Any) -> str:
    """Return how a request differs from the one on the tape that is most like it."""
    shown = _show(sent)
    likely = max(
        (_show(body) for body in recorded),
        key=lambda lines: difflib.SequenceMatcher(None, lines, shown).ratio(),
        default=[],
    )
    lines = difflib.unified_diff(likely, shown, "recorded", "sent", lineterm="", n=1)
    return "\n".join(list(lines)[:_MOST_LINES])


def _show(body: Any) -> list[str]:
    text = json.dumps(body, indent=1, ensure_ascii=False)
    return text.replace("\\n", "\n").splitlines()
