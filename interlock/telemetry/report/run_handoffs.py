"""The journal of one run as a report shows it: every handoff, in full as far as there is room. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from interlock.contracts.handoff import Handoff
from interlock.telemetry.report.material import RunMaterial
from interlock.telemetry.report.run_places import derive_anchor
from interlock.telemetry.report.words import show_time, show_value
from interlock.telemetry.spans import name_result

PAYLOAD_CHARS: Final = 100_000
"""Of one payload, at most."""

ALL_CHARS: Final = 4_000_000
"""Of all payloads together."""


def list_handoffs(
    material: RunMaterial, *, most_each: int = PAYLOAD_CHARS, most_all: int = ALL_CHARS
) -> Sequence[Mapping[str, Any]]:
    """Return the handoffs, oldest first; payloads are cut where all would be too much.

    The longest are cut, all to the same length; shorter ones stay whole.
    """
    texts = [show_value(handoff.payload) for handoff in material.handoffs]
    most = find_cut(map(len, texts), most_each=most_each, most_all=most_all)
    return [
        _describe(handoff, text=text, most=most)
        for handoff, text in zip(material.handoffs, texts, strict=True)
    ]


def find_cut(lengths: Iterable[int], *, most_each: int, most_all: int) -> int:
    """Return the largest length to cut texts to so that together they hold at most `most_all`."""
    ordered = sorted(min(length, most_each) for length in lengths)
    room = most_all
    for place, length in enumerate(ordered):
        share = room // (len(ordered) - place)
        if length > share:
            return share
        room -= length
    return most_each


def _describe(handoff: Handoff, *, text: str, most: int) -> Mapping[str, object]:
    verdict = handoff.verdict
    return {
        "handoff": handoff,
        "anchor": derive_anchor(handoff.step_id) if handoff.step_id else None,
        "verdict": verdict.action if verdict is not None else (handoff.status or ""),
        "reason": (verdict.reason if verdict is not None else None) or "",
        "findings": [
            {
                "result": name_result(finding),
                "passed": finding.passed,
                "criterion": finding.criterion,
                "message": finding.message,
                "blames": finding.blames,
            }
            for finding in (verdict.findings if verdict is not None else ())
        ],
        "payload": text[:most],
        "is_cut": len(text) > most,
        "chars": len(text),
        "times": _list_times(handoff),
        "tokens": handoff.input_tokens + handoff.output_tokens,
    }


def _list_times(handoff: Handoff) -> Sequence[tuple[str, str]]:
    times = (
        ("queued", handoff.queued_at),
        ("its turn", handoff.turn_at),
        ("started", handoff.started_at),
        ("handed over", handoff.ended_at),
        ("verdict", handoff.reviewed_at),
    )
    return [(name, show_time(at)) for name, at in times if at is not None]
