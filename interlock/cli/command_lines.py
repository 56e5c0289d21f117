"""Command lines that a user can type next, quoted for a shell.

A line holds printable characters only and can be shown as it is: changing a blank in it would
change what it says.
"""

import json
import shlex
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from interlock.checkpoints.storage_url import hide_password
from interlock.contracts.question import Decision, Question
from interlock.orchestrator.declare import DEFAULT_STORAGE

PLACEHOLDER: Final = "TEAM"
"""Stands in a line for a team that is not known."""

_EFFECT_COMMANDS: Final = frozenset({"settle", "forget"})
_LONGEST_EDIT: Final = 200
_PLAIN_IN_QUOTES: Final = frozenset(
    string.ascii_letters + string.digits + string.punctuation + " "
) - {
    "'",
    "\\",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLines:
    """The commands that fit what is being done.

    Attributes:
        thread_id: The thread at hand; empty if none is.
        team: As it was named; None where no team was.
        storage: As it was given; None if it was left out.
        team_storage: Where the team keeps its runs, if a team was loaded.
        plan: The plan file that was given, if one was.
    """

    thread_id: str = ""
    team: str | None = None
    storage: str | None = None
    team_storage: str | None = None
    plan: str | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the runs were kept in memory, so that no other command finds them."""
        return (self.team_storage or "").startswith("memory:")

    def resume(self) -> str:
        """Return the line that goes on with the thread, or shows its result."""
        plan = ["--plan", self.plan] if self.plan else []
        return self._join("resume", self._get_team(), self.thread_id, *plan, *self._with_team())

    def status(self) -> str:
        """Return the line that shows where the thread stands, or all threads."""
        thread = [self.thread_id] if self.thread_id else []
        return self._join("status", *thread, *self._locate())

    def list_runs(self) -> str:
        """Return the line that lists all runs."""
        return self._join("status", *self._locate())

    def inbox(self) -> str:
        """Return the line that shows the thread's open questions."""
        return self._join("inbox", "--thread", self.thread_id, *self._locate())

    def handoffs(self) -> str:
        """Return the line that shows all that was handed over on the thread."""
        return self._join("handoffs", self.thread_id, "--full", *self._locate())

    def handoffs_of(self, thread_id: str, step_id: str) -> str:
        """Return the line that shows what was handed over in one step of any thread."""
        return self._join("handoffs", thread_id, "--step", step_id, "--full", *self._locate())

    def effects(self) -> str:
        """Return the line that lists the thread's effects."""
        is_plain = self.thread_id not in _EFFECT_COMMANDS and not self.thread_id.startswith("-")
        if is_plain:
            return self._join("effects", self.thread_id, *self._locate())
        return self._join("effects", *self._locate(), "--", self.thread_id)

    def settle_effect(self, key: str) -> Sequence[str]:
        """Return the lines that settle an unknown effect: it happened, with and without answer; or not."""
        why = ("--why", "how you know")
        outcomes = (
            ("--happened", "--answer", "@answer.json"),
            ("--happened",),
            ("--not-happened",),
        )
        return [
            self._join("effects", "settle", self.thread_id, key, *words, *why, *self._locate())
            for words in outcomes
        ]

    def forget_effects(self, older_than: str) -> str:
        """Return the line that forgets old effects, of the thread if one is at hand."""
        thread = ["--thread", self.thread_id] if self.thread_id else []
        return self._join("effects", "forget", "--older-than", older_than, *thread, *self._locate())

    def prune(self, older_than: str, *, keep_checkpoints: int, journal: bool, compact: bool) -> str:
        """Return the line that deletes what is old and not needed."""
        words = ["--older-than", older_than]
        if self.thread_id:
            words += ["--thread", self.thread_id]
        if keep_checkpoints != 1:
            words += ["--keep-checkpoints", str(keep_checkpoints)]
        words += ["--journal"] * journal + ["--compact"] * compact
        return self._join("prune", *words, *self._locate())

    def answer(self, question: Question) -> Sequence[str]:
        """Return one line for each decision that a question allows."""
        return [
            self._join(
                "answer",
                self._get_team(),
                question.thread_id,
                question.id,
                decision,
                *_suggest_value(question, decision),
                *self._with_team(),
            )
            for decision in question.allowed
        ]

    def _get_team(self) -> str:
        return self.team or PLACEHOLDER

    def _with_team(self) -> list[str]:
        """Return the storage option of commands that name a team: only if it was given.

        A storage that was given to a command without a team is the one to go on with.
        """
        return ["--storage", hide_password(self.storage)] if self.storage else []

    def _locate(self) -> list[str]:
        """Return the options by which a command that needs no team finds the storage."""
        if self.team is not None:
            return ["--team", self.team, *self._with_team()]
        url = hide_password(self.storage or DEFAULT_STORAGE)
        return ["--storage", url] if url != DEFAULT_STORAGE else []

    @staticmethod
    def _join(*words: str) -> str:
        return " ".join(["interlock", *(_quote(word) for word in words)])


def _quote(word: str) -> str:
    """Return a word for a shell; what cannot be printed as `$'...'` of bash, zsh and ksh."""
    if word.isprintable():
        return shlex.quote(word)
    raw = word.encode("utf-8", "surrogateescape")
    printed = "".join(chr(b) if chr(b) in _PLAIN_IN_QUOTES else f"\\x{b:02x}" for b in raw)
    return f"$'{printed}'"


def _suggest_value(question: Question, decision: Decision) -> list[str]:
    is_effect = question.kind == "effect"
    match decision:
        case "approve":
            return []
        case "edit" if is_effect:
            return ["@answer.json"]  # what the tool answered, which nobody here can know
        case "edit":
            text = json.dumps(question.args, ensure_ascii=False)
            is_good = question.args is not None and len(text) <= _LONGEST_EDIT
            return [text if is_good else "@value.json"]
        case "reject":
            return ["how you know" if is_effect else "why not"]
        case "respond":
            return ["what to do"]
