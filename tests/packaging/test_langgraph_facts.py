"""Every known trap of LangGraph that concerns the core is held by a test that names it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

INTEGRATION = Path(__file__).parents[1] / "integration"
ROWS = re.compile(r"\bRows? (\d+(?:(?:, | and )\d+)*)")

TRAPS = {
    1: "a scalar resume answers a later gate",
    2: "an answer given twice answers the next question",
    4: "neighbours of a gate run again at each answer",
    10: "a tool's broad except swallows a pause",
    11: "empty answers crash or vanish",
    12: "new input discards what is pending",
    14: "the context is gone on resume",
    16: "a router that raises is lost",
    17: "an accepted run vanishes without trace",
    18: "a crash repeats a finished task",
    23: "a cancel loses the node in flight",
    26: "a value that cannot be stored fails after the next node has run",
    27: "a slow branch holds up the others",
    28: "a join runs twice on uneven branches",
    29: "a join never runs if one branch is skipped",
    30: "one at a time hangs a stream",
    31: "a fan-out starves its pool",
    32: "a loop runs ten thousand steps",
    33: "a command does not replace static edges",
    34: "an unknown target ends the run in silence",
    35: "unreachable nodes compile",
    36: "two writers of one key brick the thread",
    38: "a handler never times out",
    40: "a thread runs on after its timeout",
    48: "a foreign lock fails the write while nodes go on",
    49: "a listing of the saver locks it",
    55: "two processes both commit",
    56: "a saver is bound to one event loop",
    57: "a mutation while saving corrupts",
    58: "a mutated input is seen by others",
    59: "a forged row calls a function",
    60: "models come back as something else",
    61: "nested classes become dicts in silence",
    63: "no version in the state",
    65: "a returned dict overwrites a channel",
    66: "an overwrite discards others' appends",
    68: "reducers multiply at every handoff",
    71: "a worker's answer is retold",
    80: "equally named nodes are confused",
}
"""Row of the list of traps to the trap."""


def list_docstrings() -> Iterator[str]:
    """Go through the docstrings of all integration tests."""
    for path in sorted(INTEGRATION.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
                "test_"
            ):
                yield ast.get_docstring(node) or ""


def test_every_trap_has_a_test_that_names_its_row() -> None:
    """A deleted or renamed test is noticed: its row is missing here."""
    named = {
        int(number)
        for docstring in list_docstrings()
        for rows in ROWS.findall(docstring)
        for number in re.findall(r"\d+", rows)
    }
    missing = {row: trap for row, trap in TRAPS.items() if row not in named}
    assert not missing
