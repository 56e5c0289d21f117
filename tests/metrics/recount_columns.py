"""What the columns that metrics are counted from must say, told anew from rows that are not theirs.

Slow and plain on purpose: each attempt goes through all calls of its thread.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from tests.metrics.recount_rows import Row, Rows

_ORDER: Final = ("queued_at", "turn_at", "started_at", "ended_at", "reviewed_at")
_TOLD: Final = ("model_us", "tool_us", "judge_us", "money", "input_tokens", "output_tokens")
_MICRO: Final = timedelta(microseconds=1)
_UNITS: Final = 10**12


def count_us(begin: str, end: str) -> int:
    """Return the microseconds between two instants as rows hold them."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)) // _MICRO


def list_open_us(calls: Iterable[tuple[str, str]]) -> list[int]:
    """Return how long each piece of time was, in microseconds, in which at least one call was open.

    Time is cut at each begin and end, and each piece is asked whether a call covers it.
    """
    spans = [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in calls]
    cuts = sorted({instant for span in spans for instant in span})
    return [
        (end - begin) // _MICRO
        for begin, end in pairwise(cuts)
        if any(start <= begin and end <= stop for start, stop in spans)
    ]


def clip(begin: str, end: str | None, limit: str) -> tuple[str, str]:
    """Return a call's instants; one that has no end, or a late one, ends at the limit."""
    return begin, limit if end is None or end > limit else end


def is_attempt(row: Row) -> bool:
    """Return whether an output is that of an attempt, and not of what a person decided later."""
    return bool(row["kind"] == "output" and row["turn_at"] is not None)


def find_wrong_times(rows: Rows) -> Iterator[str]:
    """Yield attempts whose instants do not follow each other, or whose parts exceed the whole."""
    for row in filter(is_attempt, rows["handoffs"]):
        who = f"{row['thread_id']} {row['step_id']} {row['attempt']}"
        instants = [row[name] for name in _ORDER]
        if instants != sorted(instants):
            yield f"{who}: {instants}"
        if row["model_us"] + row["tool_us"] > count_us(row["started_at"], row["ended_at"]):
            yield f"{who}: its calls take longer than its work"
        if row["judge_us"] > count_us(row["ended_at"], row["reviewed_at"]):
            yield f"{who}: its judges take longer than its review"


def find_standstills(rows: Rows) -> Iterator[str]:
    """Yield attempts with stages that took no time, which there are none of on a ticking clock."""
    for row in filter(is_attempt, rows["handoffs"]):
        if len({row[name] for name in _ORDER}) != len(_ORDER):
            yield f"{row['thread_id']} {row['step_id']} {row['attempt']}: {[row[n] for n in _ORDER]}"


def find_wrong_calls(rows: Rows) -> Iterator[str]:
    """Yield outputs whose times of calls and money are not those of their calls."""
    for row in rows.where("handoffs", kind="output"):
        calls = [
            call
            for call in rows.where("model_calls", thread_id=row["thread_id"], path=row["step_id"])
            if (call["superstep"], call["attempt"]) == (row["superstep"], row["attempt"])
            and call["calls"] > 0
        ]
        tools = rows.where("tool_calls", handoff_id=row["id"])
        told = {name: row[name] for name in _TOLD}
        models = [_place(call, row["ended_at"]) for call in calls if call["role"] != "judge"]
        judged = [_place(call, row["reviewed_at"]) for call in calls if call["role"] == "judge"]
        both = [*models, *(_place(call, row["ended_at"]) for call in tools)]
        counted = {
            "model_us": sum(list_open_us(models)),
            "tool_us": sum(list_open_us(both)) - sum(list_open_us(models)),
            "judge_us": sum(list_open_us(judged)),
            "money": sum(call["money"] for call in calls),
            **{
                name: sum(call[name] or 0 for call in calls if call["role"] != "judge")
                for name in ("input_tokens", "output_tokens")
            },
        }
        if told != counted:
            yield f"{row['thread_id']} {row['step_id']} {row['attempt']}: {told}, not {counted}"


def _place(call: Row, limit: str) -> tuple[str, str]:
    return clip(call["started_at"], call["ended_at"], limit)


def find_wrong_verdicts(rows: Rows) -> Iterator[str]:
    """Yield handoffs whose action, error or findings are not those of the verdict they hold."""
    kinds = {(row["thread_id"], row["hash"]): row for row in rows["criteria"]}
    for row in rows["handoffs"]:
        verdict = json.loads(row["verdict"]) if row["verdict"] else {}
        if (row["action"], row["error"]) != (verdict.get("action"), verdict.get("error")):
            yield f"{row['thread_id']} {row['step_id']}: {row['action']}, {row['error']}"
        if row["kind"] != "output":
            continue
        found = sorted(rows.where("findings", handoff_id=row["id"]), key=_get_ordinal)
        told = [_word(one, kinds) for one in found]
        said = [
            (number, row["step_id"], one["kind"], one["criterion"], _name(one), row["reviewed_at"])
            for number, one in enumerate(verdict.get("findings", ()))
        ]
        if told != said:
            yield f"{row['thread_id']} {row['step_id']} {row['attempt']}: {told}, not {said}"


def _get_ordinal(finding: Row) -> Any:
    return finding["ordinal"]


def _word(finding: Row, kinds: dict[tuple[str, str], Row]) -> tuple[Any, ...]:
    criterion = kinds[finding["thread_id"], finding["criterion"]]
    words = (finding["step_id"], criterion["kind"], criterion["words"], finding["result"])
    return finding["ordinal"], *words, finding["at"]


def _name(finding: dict[str, Any]) -> str:
    if finding.get("undecided") or finding.get("asks_person"):
        return "undecided"
    return "passed" if finding["passed"] else "failed"


def find_wrong_outcomes(rows: Rows) -> Iterator[str]:
    """Yield outcomes whose columns are not what the outcome itself says, or that settle too early."""
    for row in rows["outcomes"]:
        said = json.loads(row["outcome"])
        usage = {"attempts": 0, "money": "0", **(said.get("usage") or {})}
        told = (
            (row["worker"], said.get("worker")),
            (row["attempts"], said.get("attempts", 0)),
            (row["fallback"], said.get("fallback")),
            (bool(row["by_person"]), said.get("approved_by_person", False)),
            (row["input_tokens"], usage.get("input_tokens", 0)),
            (row["output_tokens"], usage.get("output_tokens", 0)),
            (row["model_calls"], usage.get("model_calls", 0)),
            (row["money"], int(Decimal(str(usage["money"])) * _UNITS)),
        )
        who = f"{row['thread_id']} {row['step_id']}"
        yield from (f"{who}: {one}, not {other}" for one, other in told if one != other)
        reviewed = [
            output["reviewed_at"]
            for output in rows.where("handoffs", kind="output", superstep=row["superstep"])
            if (output["thread_id"], output["step_id"]) == (row["thread_id"], row["step_id"])
        ]
        if any(row["settled_at"] < instant for instant in (*reviewed, row["begun_at"] or "")):
            yield f"{who}: settled at {row['settled_at']}, before {max(reviewed, default='')}"


def find_wrong_begins(rows: Rows) -> Iterator[str]:
    """Yield outcomes that do not say when their step had first begun, however often it has waited."""
    begun: dict[tuple[str, str], Row | None] = {}
    for row in rows["outcomes"]:
        who = (row["thread_id"], row["step_id"])
        before = begun.get(who)
        queued = [
            output["queued_at"]
            for output in rows.where("handoffs", kind="output", superstep=row["superstep"])
            if (output["thread_id"], output["step_id"]) == who and is_attempt(output)
        ]
        if before is not None and row["begun_at"] != before["begun_at"]:
            yield f"{who}: begun at {row['begun_at']}, not at {before['begun_at']}"
        if before is None and queued and row["begun_at"] != min(queued):
            yield f"{who}: begun at {row['begun_at']}, queued at {queued}"
        begun[who] = row if row["status"] == "waiting" else None


def find_wrong(rows: Rows) -> list[str]:
    """Return all that is wrong with the columns of rows, in words."""
    checks = (
        find_wrong_times,
        find_wrong_calls,
        find_wrong_verdicts,
        find_wrong_outcomes,
        find_wrong_begins,
    )
    return [words for check in checks for words in check(rows)]
