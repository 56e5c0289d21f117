"""A recorded handoff as a pytest case: a file of its own that needs no storage."""

import json
import pprint
import re
from dataclasses import dataclass
from typing import Final

from interlock.contracts.replay import RECORDED, Recording

_BIG: Final = 20_000
"""Of more characters, the recording lies in a file beside the test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCase:
    """A pytest file, and what lies beside it.

    Attributes:
        text: Of the test file.
        data: Of the JSON file beside it; None if the recording is in the test file.
    """

    text: str
    data: str | None


def export_case(
    recording: Recording,
    *,
    team: str | None,
    data_name: str,
    worker: str | None = None,
    expects_accepted: bool | None = None,
) -> ExportedCase:
    """Return a test that replays a recording, and is green while its verdict is as expected.

    Args:
        recording: The attempt.
        team: As module:attribute; imported when the test runs.
        data_name: Of the file beside it, if there is to be one.
        worker: Who works; left out, the recorded worker as it is then.
        expects_accepted: What the verdict is to be; left out, as the criteria had it, or accepted
            where they had said nothing.
    """
    held = recording.model_dump(mode="json")
    is_big = len(json.dumps(held)) > _BIG
    recorded = recording.output.accepted
    is_known = recorded is not None and not recording.output.is_refused_by_others
    expected = bool(recorded or not is_known) if expects_accepted is None else expects_accepted
    source = (
        f"Path(__file__).with_name({data_name!r})"
        if is_big
        else pprint.pformat(held, width=94, sort_dicts=False)
    )
    place = (
        f"step {recording.path!r}, attempt {recording.attempt} of thread {recording.thread_id!r}"
    )
    word = "accepted" if expected else "refused"
    what = "the recorded output" if worker == RECORDED else "what the worker makes of this brief"
    options = f", worker={worker!r}" if worker is not None else ""
    lines = [
        f"{f'Recorded: {place}.'!r}",
        "",
        *(["from pathlib import Path", ""] if is_big else []),
        "from interlock.testing import load_recording, replay_recording",
        "",
        f"RECORDING = load_recording(\n{source}\n)",
        "",
        "",
        f"def test_{_name(recording)}_is_{word}() -> None:",
        f"    {f'The criteria find {what} {word}, as they did when it was recorded.'!r}"
        if expects_accepted is None and is_known
        else f"    {f'The criteria find {what} {word}.'!r}",
        f"    replay = replay_recording(RECORDING, {team!r}{options})",
        f"    assert replay.replayed.accepted is {expected}, replay.explain()",
        "",
    ]
    data = json.dumps(held, ensure_ascii=True, indent=1) + "\n" if is_big else None
    return ExportedCase(text="\n".join(lines), data=data)


def _name(recording: Recording) -> str:
    """Return a word for a test's name."""
    words = f"{recording.path}_attempt_{recording.attempt}_of_{recording.thread_id}"
    return re.sub(r"\W+", "_", words, flags=re.ASCII).strip("_").lower()[:80]
