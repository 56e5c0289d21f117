"""Where the time of attempts and of steps went, told anew from instants and calls."""

from collections.abc import Iterable
from typing import Final

from tests.metrics.recount_columns import clip, count_us, list_open_us
from tests.metrics.recount_rows import Row, Rows, index

STAGES: Final = ("queue", "brief", "model", "tool", "other", "review", "promotion", "person")


class Lives:
    """The lives of steps in a storage's rows."""

    def __init__(self, rows: Rows) -> None:
        """Take the rows."""
        self._rows = rows
        self._outputs = index(rows.where("handoffs", kind="output"), "thread_id", "step_id")
        self._calls = index(rows["model_calls"], "thread_id", "superstep", "path", "attempt")
        self._questions = index(rows["questions"], "thread_id", "step_id")
        self._needs = index(rows["step_needs"], "thread_id", "step_id")
        self._newest = {(row["thread_id"], row["step_id"]): row for row in rows["outcomes"]}

    def is_attempt(self, output: Row) -> bool:
        """Return whether an output is a worker's, and not what a person wrote or let pass later."""
        return output["turn_at"] is not None

    def list_calls(self, output: Row) -> list[Row]:
        """Return the model calls of an output's attempt that went out."""
        place = (output["thread_id"], output["superstep"], output["step_id"], output["attempt"])
        return [call for call in self._calls.get(place, ()) if call["calls"] > 0]

    def find_money(self, output: Row) -> int:
        """Return what an attempt's calls cost, its judges' too."""
        return sum(call["money"] for call in self.list_calls(output))

    def split(self, output: Row) -> dict[str, int]:
        """Return where an attempt's time went, in microseconds."""
        models = self._place(output, role="worker")
        judges = self._place(output, role="judge")
        tools = [
            clip(call["started_at"], call["ended_at"], output["ended_at"])
            for call in self._rows.where("tool_calls", handoff_id=output["id"])
        ]
        work = count_us(output["started_at"], output["ended_at"])
        model = sum(list_open_us(models))
        either = sum(list_open_us([*models, *tools]))
        return {
            "queue": count_us(self.find_ready(output), output["turn_at"]),
            "brief": count_us(output["turn_at"], output["started_at"]),
            "model": model,
            "tool": either - model,
            "other": work - either,
            "review": count_us(output["ended_at"], output["reviewed_at"]),
            "judge": sum(list_open_us(judges)),
        }

    def _place(self, output: Row, *, role: str) -> list[tuple[str, str]]:
        limit = output["reviewed_at" if role == "judge" else "ended_at"]
        return [
            clip(call["started_at"], call["ended_at"], limit)
            for call in self.list_calls(output)
            if call["role"] == role
        ]

    def find_ready(self, output: Row) -> str:
        """Return from when on an attempt waits: the last verdict on its step, or else its needs.

        A verdict of before a person answered does not count: the step has been ready anew since.
        """
        verdicts = [
            other["reviewed_at"]
            for other in self._outputs[output["thread_id"], output["step_id"]]
            if other["superstep"] == output["superstep"]
            and other["reviewed_at"] <= output["turn_at"]
        ]
        return max(verdicts, default=output["queued_at"])

    def list_attempts(self, outcome: Row) -> list[Row]:
        """Return the attempts of the life that an outcome ends: since all that it needs had settled."""
        outputs = self._outputs.get((outcome["thread_id"], outcome["step_id"]), [])
        return [
            row for row in outputs if self.is_attempt(row) and row["turn_at"] >= outcome["begun_at"]
        ]

    def find_promotion(self, outcome: Row) -> int:
        """Return the time from the last verdict on a step until it settled."""
        verdicts = [
            row["reviewed_at"]
            for row in self._outputs.get((outcome["thread_id"], outcome["step_id"]), [])
            if row["superstep"] == outcome["superstep"]
        ]
        return count_us(max(verdicts), outcome["settled_at"]) if verdicts else 0

    def find_wait(self, question: Row) -> int:
        """Return how long a question waited for its answer."""
        return count_us(question["asked_at"], question["answered_at"])

    def find_person(self, outcome: Row) -> int:
        """Return how long questions about a step waited, in the life that an outcome ends."""
        asked = self._questions.get((outcome["thread_id"], outcome["step_id"]), [])
        return sum(
            self.find_wait(row)
            for row in asked
            if row["answered_at"] is not None
            and outcome["begun_at"] <= row["asked_at"] <= outcome["settled_at"]
        )

    def split_life(self, outcome: Row) -> dict[str, int]:
        """Return where the time of a step's life went, in microseconds."""
        spent = [self.split(row) for row in self.list_attempts(outcome)]
        life = count_us(outcome["begun_at"], outcome["settled_at"])
        names = ("queue", "brief", "model", "tool", "other", "review")
        parts = {name: sum(one[name] for one in spent) for name in names}
        parts["promotion"] = self.find_promotion(outcome)
        parts["person"] = self.find_person(outcome)
        return {**parts, "elsewhere": life - sum(parts.values()), "life": life}

    def find_releasing(self, outcome: Row) -> str:
        """Return what of all that a step needs settled last; empty if it needs nothing."""
        needs = self._needs.get((outcome["thread_id"], outcome["step_id"]), [])
        # Where a step is only settled, its needs were written down when it was last briefed.
        last = max((row["superstep"] for row in needs), default="")
        newest = [row for row in needs if row["superstep"] == last]
        settled = [self._newest[outcome["thread_id"], row["need"]] for row in newest]
        return _find_last(settled)


def _find_last(outcomes: Iterable[Row]) -> str:
    last = ""
    when = ""
    for row in sorted(outcomes, key=lambda row: str(row["step_id"])):
        if row["settled_at"] > when:
            last, when = row["step_id"], row["settled_at"]
    return last
