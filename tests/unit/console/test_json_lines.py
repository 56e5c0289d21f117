"""What programs read: one JSON object a line, ASCII, payloads left out."""

import dataclasses
import io
import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

import interlock as il
from interlock.console.json_lines import dump_error, dump_event, dump_value, write_json
from interlock.telemetry import events
from tests.unit.console.sample_events import EVENTS, HANDOFF, NOON


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_is_json_with_its_kind(event: Any) -> None:
    """The kind is a snake-case word, and every field of the event is there."""
    dumped = dump_event(event)
    stream = io.StringIO()
    write_json(stream, dumped)
    read = json.loads(stream.getvalue())
    assert read["event"] == "".join(
        f"_{c.lower()}" if c.isupper() else c for c in type(event).__name__
    ).removeprefix("_")
    assert set(read) == {"event", *(field.name for field in dataclasses.fields(event))}
    assert datetime.fromisoformat(read["at"]) == NOON


def test_every_kind_of_event_is_tried_here() -> None:
    """A new kind of event is not forgotten."""
    assert {type(event) for event in EVENTS} == set(get_args(events.Event))


def test_payloads_stay_out_of_the_stream() -> None:
    """What a worker was shown is read on demand, not logged."""
    dumped = dump_event(
        events.HandoffRecorded(thread_id=HANDOFF.thread_id, at=NOON, handoff=HANDOFF)
    )
    assert "payload" not in dumped["handoff"]
    assert dumped["handoff"]["payload_hash"] == HANDOFF.payload_hash
    assert "secret" not in json.dumps(dumped)


def test_nothing_in_a_line_steers_a_terminal() -> None:
    """Lines are ASCII: escape sequences arrive as text."""
    stream = io.StringIO()
    write_json(stream, {"text": "\x1b[31m red \u202e"})
    assert stream.getvalue() == '{"text": "\\u001b[31m red \\u202e"}\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(stream, float("nan"))


def test_errors_are_named_by_their_class() -> None:
    """A program branches on the type, never on the words."""
    error = il.UnknownThreadError(thread_id="t17")
    assert dump_error(error, message=str(error)) == {
        "error": {"type": "UnknownThreadError", "message": str(error)}
    }


def test_values_inside_values_are_dumped() -> None:
    """Models in lists in mappings come out as plain JSON values."""
    value = {1: [datetime(2026, 1, 1, tzinfo=UTC), (il.Usage(attempts=2),)]}
    assert dump_value(value) == {
        "1": [
            "2026-01-01T00:00:00+00:00",
            [
                {
                    "attempts": 2,
                    "input_tokens": 0,
                    "output_tokens": 0,
                    "model_calls": 0,
                    "money": "0",
                }
            ],
        ]
    }
