"""A recount of all metrics, as docs/metrics.md defines them, from raw rows (I12).

Slow and plain on purpose: every question goes through whole tables, every stage is told anew from
the instants and the calls of its attempt. It shares no code and no statement with the product.
"""

from collections import defaultdict
from decimal import ROUND_DOWN
from typing import Any, Final

from tests.metrics.recount_rows import Row
from tests.metrics.recount_scope import UNIT, Scope, add_up, group, list_outermost, pay, rate
from tests.metrics.recount_times import STAGES

SETTLED: Final = ("accepted", "degraded", "skipped", "failed", "blocked", "cancelled")
DECIDED: Final = ("accepted", "degraded", "skipped", "failed")
RUN_STATUSES: Final = ("running", "waiting", "completed", "degraded", "failed", "cancelled")
GIVEN_UP: Final = ("fallback", "degrade")

Table = list[dict[str, Any]]


class Recount(Scope):
    """Counts a window of a storage's rows."""

    def count(self) -> dict[str, Any]:
        """Return everything."""
        return {
            "runs": self.count_runs(),
            "total": self.count_steps("", self.list_steps(), self.list_escalated()),
            "steps": self.list_step_counts(),
            "workers": self.count_workers(),
            "criteria": self.count_criteria(),
            "edges": self.count_edges(),
            "stages": self.count_stages(),
            "questions": self.count_questions(),
            "effects": self.count_effects(),
            "models": self.count_models(),
            "fallbacks": self.count_fallbacks(),
            "faults": self.count_faults(),
            "unmeasured": sum(
                row["status"] in SETTLED and row["settled_at"] is None for row in self.list_newest()
            ),
        }

    def count_runs(self) -> dict[str, Any]:
        """Return the runs by status."""
        runs = [
            run
            for run in self.rows["runs"]
            if run["thread_id"] in self.threads and self.window.holds(run["accepted_at"])
        ]
        by = {status: sum(run["status"] == status for run in runs) for status in RUN_STATUSES}
        ended = by["completed"] + by["degraded"] + by["failed"]
        return {"accepted": len(runs), **by, "completion_rate": rate(by["completed"], ended)}

    def list_step_counts(self) -> Table:
        """Return the counts of each step."""
        escalated = self.list_escalated()
        steps = group(self.list_steps(), lambda row: row["step_id"])
        return [
            self.count_steps(step, rows, [one for one in escalated if one[1] == step])
            for step, rows in steps.items()
        ]

    def count_steps(
        self, step: str, outcomes: list[Row], escalated: list[tuple[str, str]]
    ) -> dict[str, Any]:
        """Return the counts of one step, or of all."""
        by = {status: sum(row["status"] == status for row in outcomes) for status in SETTLED}
        waiting = sum(row["status"] == "waiting" for row in outcomes)
        decided = sum(by[status] for status in DECIDED)
        first = sum(
            row["status"] == "accepted"
            and row["attempts"] == 1
            and row["fallback"] is None
            and not row["by_person"]
            for row in outcomes
        )
        attempts = add_up(outcomes, "attempts")
        paid = list_outermost(outcomes)
        tokens = add_up(paid, "input_tokens") + add_up(paid, "output_tokens")
        money = add_up(paid, "money")
        accepted = by["accepted"]
        return {
            "step": step,
            "settled": sum(by.values()),
            **by,
            "waiting": waiting,
            "decided": decided,
            "completion_rate": rate(accepted, decided),
            "first_pass": first,
            "first_pass_rate": rate(first, decided),
            "degradation_rate": rate(by["degraded"] + by["skipped"], decided),
            "by_person": sum(bool(row["by_person"]) for row in outcomes),
            "escalated": len(escalated),
            "escalation_rate": rate(len(escalated), decided + waiting),
            "by_fallback": sum(row["fallback"] is not None for row in outcomes),
            "attempts": attempts,
            "attempts_per_step": rate(attempts, decided),
            "input_tokens": add_up(paid, "input_tokens"),
            "output_tokens": add_up(paid, "output_tokens"),
            "model_calls": add_up(paid, "model_calls"),
            "money": pay(money),
            "tokens_per_accepted": rate(tokens, accepted),
            "money_per_accepted": (pay(money) / accepted).quantize(UNIT, ROUND_DOWN)
            if accepted
            else None,
        }

    def count_workers(self) -> Table:
        """Return what came of the attempts of each worker."""
        return [
            self._count_worker(worker, rows)
            for worker, rows in group(self.list_attempts(), lambda row: row["worker"]).items()
        ]

    def _count_worker(self, worker: str, attempts: list[Row]) -> dict[str, Any]:
        accepted = sum(row["action"] == "accept" for row in attempts)
        parked = sum(row["action"] == "park" for row in attempts)
        first = [row for row in attempts if row["attempt"] == 1]
        passed = sum(row["action"] == "accept" for row in first)
        tokens = add_up(attempts, "input_tokens") + add_up(attempts, "output_tokens")
        spent = [self.lives.split(row) for row in attempts]
        names = ("queue", "brief", "model", "tool", "other", "review", "judge")
        return {
            "worker": worker,
            "attempts": len(attempts),
            "accepted": accepted,
            "refused": len(attempts) - accepted - parked,
            "parked": parked,
            "raised": sum(row["error"] is not None for row in attempts),
            "acceptance_rate": rate(accepted, len(attempts)),
            "first_attempts": len(first),
            "first_pass": passed,
            "first_pass_rate": rate(passed, len(first)),
            "input_tokens": add_up(attempts, "input_tokens"),
            "output_tokens": add_up(attempts, "output_tokens"),
            "money": pay(sum(self.lives.find_money(row) for row in attempts)),
            "tokens_per_accepted": rate(tokens, accepted),
            **{f"{name}_us": sum(one[name] for one in spent) for name in names},
            "given_up": (given_up := sum(row["action"] in GIVEN_UP for row in attempts)),
            "degradation_rate": rate(given_up, accepted + given_up),
        }

    def count_criteria(self) -> Table:
        """Return what each criterion came to, and what it let pass; by its hash if words are sealed."""
        named = {(row["thread_id"], row["hash"]): row for row in self.rows["criteria"]}

        def name(row: Row) -> tuple[str, str, str]:
            criterion = named[row["thread_id"], row["criterion"]]
            words = criterion["hash" if self.rows.is_sealed else "words"]
            return row["step_id"], criterion["kind"], words

        found = group(self.select("findings", "at"), name)
        return [self._count_criterion(*key, rows) for key, rows in found.items()]

    def _count_criterion(
        self, step: str, kind: str, words: str, findings: list[Row]
    ) -> dict[str, Any]:
        by = {
            result: sum(row["result"] == result for row in findings)
            for result in ("passed", "failed", "undecided")
        }
        on_faulty = [row for row in findings if self.is_faulty(row["handoff_id"])]
        caught = sum(row["result"] == "failed" for row in on_faulty)
        escaped = sum(row["result"] == "passed" for row in on_faulty)
        decided = by["passed"] + by["failed"] + by["undecided"]
        outputs = {row["id"]: row for row in self.rows["handoffs"] if row["kind"] == "output"}
        first = [row for row in findings if outputs[row["handoff_id"]]["attempt"] == 1]
        given_up = sum(
            row["result"] != "passed" and outputs[row["handoff_id"]]["action"] in GIVEN_UP
            for row in findings
        )
        return {
            "step": step,
            "kind": kind,
            "criterion": words,
            "decided": decided,
            **by,
            "pass_rate": rate(by["passed"], decided),
            "caught": caught,
            "escaped": escaped,
            "escape_rate": rate(escaped, caught + escaped),
            "first_decided": len(first),
            "first_pass": sum(row["result"] == "passed" for row in first),
            "first_pass_rate": rate(sum(row["result"] == "passed" for row in first), len(first)),
            "given_up": given_up,
            "degradation_rate": rate(given_up, decided),
        }

    def count_edges(self) -> Table:
        """Return what went from which step to which, and how long it took."""
        settled = [
            row for row in self.list_steps() if row["status"] in SETTLED and row["attempts"] > 0
        ]
        found = group(settled, lambda row: (self.lives.find_releasing(row), row["step_id"]))
        return [self._count_edge(*key, rows) for key, rows in found.items()]

    def _count_edge(self, source: str, target: str, outcomes: list[Row]) -> dict[str, Any]:
        lives = [self.lives.split_life(row) for row in outcomes]
        whole = [life["life"] for life in lives]
        names = (*STAGES, "elsewhere", "life")
        return {
            "source": source,
            "target": target,
            "handoffs": len(outcomes),
            "attempts": add_up(outcomes, "attempts"),
            "mean_us": rate(sum(whole), len(whole)),
            "longest_us": max(whole),
            "stages": {f"{name}_us": sum(life[name] for life in lives) for name in names},
        }

    def count_stages(self) -> Table:
        """Return how long each stage took, over attempts, accepted steps and answered questions."""
        taken: dict[str, list[int]] = defaultdict(list)
        for row in self.list_attempts():
            for stage, microseconds in self.lives.split(row).items():
                taken[stage].append(microseconds)
        for row in self.list_steps():
            if row["status"] == "accepted":
                taken["promotion"].append(self.lives.find_promotion(row))
        for row in self.select("questions", "asked_at"):
            if row["answered_at"] is not None:
                taken["person"].append(self.lives.find_wait(row))
        return [
            {
                "stage": stage,
                "count": len(times),
                "total_us": sum(times),
                "mean_us": rate(sum(times), len(times)),
                "p50_us": find_rank(times, 50),
                "p95_us": find_rank(times, 95),
                "longest_us": max(times),
            }
            for stage, times in sorted(taken.items())
        ]

    def count_questions(self) -> Table:
        """Return the questions of each kind."""
        counts: Table = []
        asked = self.select("questions", "asked_at")
        for kind, rows in group(asked, lambda row: row["kind"]).items():
            waits = [self.lives.find_wait(row) for row in rows if row["answered_at"] is not None]
            counts.append(
                {
                    "kind": kind,
                    "asked": len(rows),
                    "answered": len(waits),
                    "still_open": sum(row["status"] == "open" for row in rows),
                    "mean_wait_us": rate(sum(waits), len(waits)),
                    "longest_wait_us": max(waits, default=0),
                }
            )
        return counts

    def count_effects(self) -> Table:
        """Return the effects of each tool."""
        by_key = {(row["thread_id"], row["key"]): row for row in self.rows["effects"]}
        counts: dict[str, dict[str, Any]] = {}

        def add(tool: str, name: str = "") -> None:
            empty = dict.fromkeys(
                ("made", "failed", "unknown", "undone", "duplicates_suppressed"), 0
            )
            counts.setdefault(tool, {"tool": tool, **empty})
            if name:
                counts[tool][name] += 1

        for row in self.select("effects", "began_at"):
            if row["state"] not in {"intended", "started"}:
                add(*_name_effect(row, by_key))
            elif row["undoes"] is None:
                add(row["tool"])  # its end is not known yet
        for use in self.rows.where("effect_uses"):
            effect = by_key.get((use["thread_id"], use["key"]))
            if (
                not use["did_start"]
                and effect is not None
                and use["thread_id"] in self.threads
                and self.window.holds(use["called_at"])
                and effect["step_id"].startswith(self.window.step_prefix)
            ):
                add(effect["tool"], "duplicates_suppressed")
        return [counts[tool] for tool in sorted(counts)]

    def count_models(self) -> Table:
        """Return the calls of each model in each role."""
        counts: Table = []
        calls = self.select("model_calls", "started_at", step="path")
        for (model, role), rows in group(calls, lambda row: (row["model"], row["role"])).items():
            went_out = add_up(rows, "calls")
            failed = sum(row["error"] is not None for row in rows)
            counts.append(
                {
                    "model": model,
                    "role": role,
                    "calls": went_out,
                    "failed": failed,
                    "unended": sum(row["ended_at"] is None for row in rows),
                    "failure_rate": rate(failed, went_out),
                    "input_tokens": add_up(rows, "input_tokens"),
                    "output_tokens": add_up(rows, "output_tokens"),
                    "cached_tokens": add_up(rows, "cached_tokens"),
                    "money": pay(add_up(rows, "money")),
                }
            )
        return counts

    def count_fallbacks(self) -> Table:
        """Return the steps that a fallback settled."""
        taken = [row for row in self.list_steps() if row["fallback"] is not None]
        found = group(taken, lambda row: (row["fallback"], row["step_id"], row["status"]))
        return [
            {"fallback": fallback, "step": step, "status": status, "steps": len(rows)}
            for (fallback, step, status), rows in found.items()
        ]

    def count_faults(self) -> Table:
        """Return the faults of each step, by how they were found."""
        found = group(self.select("faults", "found_at"), lambda row: (row["step_id"], row["how"]))
        return [
            {
                "step": step,
                "how": how,
                "found": len(rows),
                "values": len({(r["thread_id"], r["superstep"], r["attempt"]) for r in rows}),
            }
            for (step, how), rows in found.items()
        ]


def _name_effect(row: Row, by_key: dict[tuple[str, str], Row]) -> tuple[str, str]:
    """Return the tool of an effect, and what it counts as."""
    if row["undoes"] is not None and row["state"] == "done":
        return by_key[row["thread_id"], row["undoes"]]["tool"], "undone"
    names = {"done": "made", "failed": "failed", "unknown": "unknown"}
    return row["tool"], names[row["state"]]


def find_rank(times: list[int], percent: int) -> int:
    """Return the nearest rank: the ceil(percent/100 x n)-th smallest."""
    ordered = sorted(times)
    place = -(-percent * len(ordered) // 100)
    return ordered[place - 1]
