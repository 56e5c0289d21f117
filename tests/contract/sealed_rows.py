"""Rows in every sealed table, written and read by each statement that seals or opens something."""

import json
from typing import Any, Final

from interlock.contracts.encryption import Encryption

KEYS: Final = Encryption(keys={"2026-11": bytes(range(32))}, active="2026-11")
AT: Final = "2026-01-01T12:00:00.000000+00:00"
CANARY: Final = "canary"

Call = tuple[str, tuple[Any, ...]]


def say(*parts: object) -> str:
    """Return a text that no other row and column has."""
    return " ".join((CANARY, *map(str, parts)))


def list_writes(thread: str, n: int) -> list[Call]:
    """Return what writes one row into each sealed table; two threads, and two rows in each."""
    step, hash_, other = f"step{n}", f"{n:064d}", f"{n + 5:064d}"
    data = {name: say(thread, n, name).encode() for name in ("payload", "blob", "document", "held")}
    writes: list[Call] = [
        ("insert_payload", (thread, hash_, 9, data["payload"], None)),
        (
            "insert_handoff",
            (
                f"{thread}-h{n}",
                thread,
                "c1",
                "replan",  # a kind that a statement of its own reads
                "a",
                "b",
                step,
                1,
                "w",
                hash_,
                say(thread, n, "verdict"),
                "accepted",
                AT,
                AT,
                AT,
                1,
                1,
                *[None] * 14,
            ),
        ),
        ("insert_criterion", (thread, hash_, "expr", say(thread, n, "criterion"))),
        (
            "insert_handoff",
            (
                *(f"{thread}-o{n}", thread, "c1", "output", "w", "b", step, 1, "w", hash_),
                *(None, None, None, None, AT, 1, 1, *[None] * 14),
            ),
        ),
        ("insert_finding", (thread, f"{thread}-o{n}", 0, step, hash_, "passed", AT)),
        (
            "insert_fault",
            (
                f"{thread}-f{n}",
                thread,
                "c1",
                step,
                1,
                "reported",
                "a",
                thread,
                "",
                0,
                AT,
                say(thread, n, "fault"),
            ),
        ),
        (
            "insert_outcome",
            (thread, "c1", step, "accepted", say(thread, n, "outcome"), *[None] * 12),
        ),
        ("insert_outcome", (thread, "c1", f"{step}x", "accepted", "", *[None] * 12)),
        (
            "insert_question",
            (f"{thread}-q{n}", thread, say(thread, n, "question"), AT, None, "output"),
        ),
        (
            "insert_question",
            (f"{thread}-a{n}", thread, say(thread, n, "asked"), AT, None, "output"),
        ),
        ("save_answer", (say(thread, n, "answer"), AT, 1, f"{thread}-a{n}", thread)),
        ("insert_checkpoint", (thread, "", f"cp{n}", None, "run", "msgpack", data["document"])),
        ("insert_blob", (thread, hash_, data["blob"])),
        ("insert_channel_value", (thread, "", "ch", f"v{n}", "msgpack", data["held"], None)),
        ("insert_channel_value", (thread, "", "none", f"v{n}", "null", b"", None)),
        ("insert_channel_value", (thread, "", "big", f"v{n}", "msgpack", None, hash_)),
        ("insert_channel_value", (thread, "", "ch", f"v{n}z", "msgpack", None, hash_)),
        (
            "insert_channel_tail",
            (thread, "", "ch", f"v{n}x", "tail", say(thread, n, "tail").encode(), None, f"v{n}"),
        ),
        (
            "insert_write",
            (thread, "", "cp1", "", "task", n, "ch", "msgpack", say(thread, n, "w").encode(), None),
        ),
        ("insert_write", (thread, "", "cp1", "", "task", n + 2, "ch", "msgpack", None, hash_)),
        (
            "replace_write",
            (
                thread,
                "",
                "cp1",
                "",
                "task",
                -n,
                "ch",
                "msgpack",
                say(thread, n, "r").encode(),
                None,
            ),
        ),
        (
            "insert_effect",
            (
                thread,
                f"e{n}",
                0,
                step,
                "w",
                "pay",
                say(thread, n, "arguments"),
                other,
                0,
                True,
                False,
                False,
                None,
                "unknown",
                None,
                "host",
                1,
                1.0,
                AT,
                AT,
            ),
        ),
        ("free_effect", ("tool", say(thread, n, "freed"), thread, f"e{n}")),
        (
            "end_effect",
            (
                "done",
                say(thread, n, "done").encode(),
                None,
                say(thread, n, "error"),
                "tool",
                say(thread, n, "note"),
                AT,
                thread,
                f"e{n}",
            ),
        ),
        ("insert_effect_move", (thread, "e1", n, "done", "tool", say(thread, n, "move"), AT)),
        (
            "insert_note",
            (f"{thread}-n{n}", thread, "c1", step, "w", 1, 5, AT, say(thread, n, "noted").encode()),
        ),
        (
            "insert_context_version",
            (
                thread,
                n,
                "correction",
                thread,
                "c1",
                0,
                step,
                1,
                "w",
                other,
                say(thread, n, "findings"),
                "{}",
                say(thread, n, "kept"),
                say(thread, n, "why"),
                AT,
            ),
        ),
        (
            "insert_fact",
            (thread, "key", n, "fact", say(thread, n, "value"), None, "last_wins", 0, None),
        ),
        ("insert_fact_use", (thread, "c1", step, 1, thread, "key", n)),
        ("insert_fact_mark", (thread, "key", n, thread, "key", n, n)),
    ]
    return writes


def list_run_writes(thread: str) -> list[Call]:
    """Return what writes the one run of a thread."""
    first = (say(thread, "goal"), say(thread, "context"), "running", AT, AT, None)
    return [
        ("insert_run", (thread, *first, say(thread, "first"), False, "{}", "{}", "")),
        ("request_cancel", (say(thread, "cancel"), thread)),
        ("update_run", ("waiting", say(thread, "result"), AT, thread)),
        ("note_trace", ("00-1-2-01", thread)),
    ]


READS: Final[dict[str, tuple[Any, ...]]] = {
    "list_checkpoint_ids": ("t",),
    "list_checkpoints": (None,) * 5,
    "list_effect_moves": ("t", "e1"),
    "list_effects": ("t",),
    "list_faults_of_thread": ("t", "", "~", ""),
    "list_faults_of_window": ("", "", "~", ""),
    "list_namespace_checkpoints": (*(None,) * 5, "t", ""),
    "list_questions": (),
    "list_runs": (),
    "list_runs_by_status": ("waiting",),
    "list_step_effects": ("t", "step1"),
    "list_thread_checkpoints": (*(None,) * 5, "t"),
    "list_thread_questions": ("t",),
    "load_answers": ("t",),
    "load_cancel_reason": ("t",),
    "load_channel_chain": ("t", "", "ch", "v1", "v2z"),
    "load_channel_values": ("t", "", json.dumps({"ch": "v1", "big": "v2"})),
    "load_checkpoint": ("t", "", "cp1"),
    "load_context_versions": ("t",),
    "load_criteria": ("t",),
    "load_effect": ("t", "e1"),
    "load_fact_history": ("t", "key"),
    "load_fact_since": ("t", "key", 1, "c1", 9),
    "load_fact_version": ("t", "key", 1),
    "load_faults": ("t",),
    "load_gates_of_fault": ("t", "step1", "c1", 1),
    "load_handoff_payloads": ("t", None),
    "load_handoffs": ("t", None),
    "load_key_marks": ("t", "key"),
    "load_marks_of_made_facts": ("t",),
    "load_marks_of_shown_facts": ("t",),
    "load_newest_checkpoint": ("t", ""),
    "load_newest_fact": ("t", "key"),
    "load_notes": ("t", None),
    "load_outcome": ("t", "c1", "step1"),
    "load_outcomes": ("t", "c1"),
    "load_payload": ("t", f"{1:064d}"),
    "load_payload_part": ("t", f"{1:064d}"),
    "load_question": ("t-a1", "t"),
    "load_replan_requests": ("t",),
    "load_run": ("t",),
    "load_space_facts": ("t", 9),
    "load_space_marks": ("t",),
    "load_writes": ("t", "", "cp1"),
    "read_thread_blobs": ("t",),
    "read_thread_channel_values": ("t",),
    "read_thread_checkpoints": ("t",),
    "read_thread_outcomes": ("t",),
    "read_thread_payloads": ("t",),
    "read_thread_questions": ("t",),
    "read_thread_run": ("t",),
    "read_thread_writes": ("t",),
}
"""Parameters with which each statement that opens something returns rows."""


def list_all_writes() -> list[Call]:
    """Return what writes two rows of two threads into every sealed table."""
    writes = [call for thread in ("t", "u") for call in list_run_writes(thread)]
    for thread in ("t", "u"):
        for n in (1, 2):
            writes += list_writes(thread, n)
    return writes
