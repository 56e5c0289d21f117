"""What a thread must ask and what its answers must come to, said without the engine.

The plan is put to a person first. Then three steps ask side by side: `gate` before it starts,
`judge` because its output is never good enough, and `asker` through two gates of its own graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import interlock as il

PLAN, GATE, JUDGE, LEFT, RIGHT = "plan", "gate", "judge", "left", "right"
MAX_ROUNDS = 2
"""How often a person sends the plan or the judge back, so that every example ends."""


def name_question(question: il.Question) -> str:
    """Return which of the five a question is."""
    if question.kind == "worker":
        return str(question.args["gate"])
    return str(question.step_id or PLAN)


@dataclass
class AskingThread:
    """One thread: what was answered, and what has come of it.

    Attributes:
        taken: Name to answer, of what was answered since the last question of that name.
        planner_heard: What the planner must be told, call by call.
        rounds: How often plan or judge was sent back.
        shown: What the judge's question shows, if anything.
        settled: Step to its value, or None if it failed.
        is_planned: Whether the plan was approved.
    """

    taken: dict[str, il.Answer] = field(default_factory=dict)
    planner_heard: list[str] = field(default_factory=list)
    rounds: dict[str, int] = field(default_factory=dict)
    shown: Any = None
    settled: dict[str, Any] = field(default_factory=dict)
    is_planned: bool = False

    def list_open(self) -> set[str]:
        """Return what must be open."""
        if not self.is_planned:
            return {PLAN}
        names = {GATE, JUDGE} - self.settled.keys()
        if "asker" not in self.settled:
            names |= {LEFT, RIGHT}
        return names - self.taken.keys()

    def list_decisions(self, name: str) -> list[str]:
        """Return the decisions that may be given and that bring an example to its end."""
        is_tired = self.rounds.get(name, 0) >= MAX_ROUNDS
        if name == PLAN:
            return ["approve"] if is_tired else ["approve", "respond"]
        if name != JUDGE:
            return ["approve", "edit", "reject", "respond"]
        decisions = ["edit", "reject"] + (["approve"] if self.shown is not None else [])
        return decisions if is_tired else [*decisions, "edit_badly", "respond"]

    def take(self, answers: Mapping[str, il.Answer]) -> None:
        """Take answers by name, and let come of them what can."""
        self.taken.update(answers)
        if not self.is_planned:
            self._answer_plan(self.taken.pop(PLAN))
            return
        if "asker" not in self.settled:
            if not {LEFT, RIGHT} <= self.taken.keys():
                return  # the other answers are kept until the superstep is over
            values = [[name, _read(self.taken.pop(name))] for name in (LEFT, RIGHT)]
            self.settled["asker"] = {"answers": values}
        if GATE in self.taken:
            self._answer_gate(self.taken.pop(GATE))
        if JUDGE in self.taken:
            self._answer_judge(self.taken.pop(JUDGE))

    def _answer_plan(self, answer: il.Answer) -> None:
        self.is_planned = answer.type == "approve"
        if not self.is_planned:
            self.planner_heard.append(str(answer.message))
            self._count(PLAN)

    def _answer_gate(self, answer: il.Answer) -> None:
        given = answer.value if answer.type == "edit" else {}
        told = [answer.message] if answer.type == "respond" else []
        made = {"ok": True, "told": told, "given": given}
        self.settled[GATE] = None if answer.type == "reject" else made

    def _answer_judge(self, answer: il.Answer) -> None:
        match answer.type:
            case "approve":
                self.settled[JUDGE] = self.shown
            case "reject":
                self.settled[JUDGE] = None
            case "edit" if answer.value["ok"]:
                self.settled[JUDGE] = answer.value
            case "edit":
                self.shown = answer.value
                self._count(JUDGE)
            case "respond":
                self.shown = {"ok": False, "told": [answer.message], "given": {}}
                self._count(JUDGE)

    def _count(self, name: str) -> None:
        self.rounds[name] = self.rounds.get(name, 0) + 1


def _read(answer: il.Answer) -> Any:
    """Return what a worker's `interrupt()` gives for an answer."""
    match answer.type:
        case "approve":
            return True
        case "reject":
            return False
        case "edit":
            return answer.value
        case "respond":
            return answer.message
