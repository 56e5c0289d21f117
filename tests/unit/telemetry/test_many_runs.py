"""The page about many runs: what is worst stands first, nothing that was said can act."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any, Final

import pytest

from interlock.contracts.fault import Blame, Fault
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.run_record import RunRecord
from interlock.telemetry.metrics import AffectedStep, FaultTrail, PassedGate, StepPlace
from interlock.telemetry.metrics.tables import (
    CriterionMetrics,
    EdgeMetrics,
    EffectMetrics,
    Metrics,
    ModelMetrics,
    QuestionMetrics,
    RunMetrics,
    StageMetrics,
    StageTimes,
    StepMetrics,
    WorkerMetrics,
)
from interlock.telemetry.report import ManyMaterial, render_many

NOW: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOSTILE: Final = "</script><img src=x onerror=alert(1)>\x00\x1b[2J\u202e\u2028'\"&{{ 7*7 }}"


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self._cells: list[str] | None = None
        self._words: list[str] = []
        self.feed(text)
        self.text = "".join(self._words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self._cells = self.rows[-1]

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in {"td", "th"}:
            self._cells = None

    def handle_data(self, data: str) -> None:
        """Note words."""
        self._words.append(data)
        if self._cells is not None:
            self._cells[-1] += data

    def find_row(self, name: str) -> list[str]:
        """Return the first row about something."""
        return next(row for row in self.rows if row and row[0] == name)

    def list_names(self, head: str) -> list[str]:
        """Return the names in the first table that begins with a head."""
        start = next(place for place, row in enumerate(self.rows) if row[0] == head)
        names: list[str] = []
        for row in self.rows[start + 1 :]:
            if row[0] == head or len(row) != len(self.rows[start]):
                break
            names.append(row[0])
        return names


def count_step(name: str, **counted: int) -> StepMetrics:
    """Return a step's row, in which everything that is not told is zero."""
    fields: dict[str, Any] = dict.fromkeys(StepMetrics.model_fields, 0)
    decided = sum(
        counted.get(status, 0) for status in ("accepted", "degraded", "skipped", "failed")
    )
    rate = counted.get("accepted", 0) / decided if decided else None
    fields |= {"step": name, "decided": decided, "completion_rate": rate, **counted}
    return StepMetrics.model_validate(fields)


def build_metrics(**fields: Any) -> Metrics:
    """Return metrics of which nothing is counted but what is given."""
    return Metrics(**{"total": count_step(""), **fields})


def build_rich_metrics(name: str) -> Metrics:
    """Return metrics that have a row in every table, with one name in all places."""
    zeros = dict.fromkeys(WorkerMetrics.model_fields, 0)
    return build_metrics(
        team=name,
        total=count_step("", settled=3, accepted=2, failed=1, money=Decimal(1)),
        runs=RunMetrics(accepted=1, failed=1),
        steps=(count_step(name, settled=3, accepted=2, failed=1),),
        workers=(WorkerMetrics.model_validate({**zeros, "worker": name, "refused": 2}),),
        edges=(
            EdgeMetrics(
                source=name,
                target=name,
                handoffs=1,
                attempts=1,
                mean_us=2_000_000,
                longest_us=2_000_000,
                stages=StageTimes(queue_us=500_000, model_us=1_500_000, life_us=2_000_000),
            ),
        ),
        criteria=(
            CriterionMetrics(
                step=name,
                kind="expr",
                criterion=name,
                decided=4,
                passed=3,
                failed=1,
                undecided=0,
                pass_rate=0.75,
                caught=1,
                escaped=3,
                escape_rate=0.75,
            ),
        ),
        stages=(
            StageMetrics(
                stage="model",
                count=1,
                total_us=9,
                mean_us=9,
                p50_us=9,
                p95_us=9_000_000,
                longest_us=9,
            ),
        ),
        questions=(
            QuestionMetrics(
                kind=name, asked=2, answered=1, still_open=1, mean_wait_us=1, longest_wait_us=1
            ),
        ),
        effects=(
            EffectMetrics(
                tool=name, made=5, failed=0, unknown=1, undone=2, duplicates_suppressed=4
            ),
        ),
        models=(
            ModelMetrics.model_validate(
                {**dict.fromkeys(ModelMetrics.model_fields, 0), "model": name, "role": "worker"}
            ),
        ),
    )


def build_run(thread: str, **fields: Any) -> RunRecord:
    """Return a run that took 90 s."""
    return RunRecord(
        **{
            "thread_id": ThreadId(thread),
            "goal": "Answer",
            "status": "completed",
            "accepted_at": NOW,
            "updated_at": NOW + timedelta(seconds=90),
            **fields,
        }
    )


def build_trail(name: str) -> FaultTrail:
    """Return the trail of a value that one other step was accepted on."""
    place = StepPlace(thread_id=ThreadId(name), superstep="1", step_id=StepId(name))
    return FaultTrail(
        origin=place,
        attempt=1,
        worker=name,
        settled_at=NOW,
        faults=(
            Fault(
                blame=Blame(
                    id="f1",
                    found_thread=ThreadId(name),
                    thread_id=ThreadId(name),
                    step_id=StepId(name),
                    how="reported",
                    found_by=name,
                    found_at=NOW,
                    why=name,
                ),
                superstep="1",
                attempt=1,
            ),
        ),
        gates=(PassedGate(kind="expr", criterion=name, result="passed"),),
        affected=(
            AffectedStep(
                place=place,
                status="accepted",
                distance=1,
                via=place,
                by="output",
                carries=True,
                settled_at=NOW,
                attempts=1,
                tokens=0,
                money=Decimal(0),
            ),
        ),
        path=(place,),
    )


def render(metrics: Metrics, **fields: Any) -> str:
    """Return the page."""
    return render_many(ManyMaterial(metrics=metrics, now=NOW, **fields))


def test_what_was_said_stands_there_as_text() -> None:
    """Names, goals and reasons make no tag, no attribute, no template, no control sign."""
    plain, hostile = (
        render(
            build_rich_metrics(name),
            days=[("2026-03-04", build_rich_metrics(name))],
            runs=[build_run(name, goal=name)],
            trails=[build_trail(name)],
        )
        for name in ("name", HOSTILE)
    )
    page = Page(hostile)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in Page(plain).tags]
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    assert "{{ 7*7 }}" in page.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e\u2028]", hostile)
    assert page.text.count("\\u202e") > 15


def test_the_page_fetches_nothing() -> None:
    """No address but those of its own sections; a policy that forbids any other."""
    page = Page(render(build_rich_metrics("a"), days=[("2026-03-04", build_rich_metrics("a"))]))
    links = [value for _, attrs in page.tags for key, value in attrs.items() if key == "href"]
    anchors = {f"#{attrs['id']}" for _, attrs in page.tags if "id" in attrs}
    assert len(links) > 10
    assert set(links) <= anchors
    assert not [tag for tag, attrs in page.tags if "src" in attrs or tag in {"link", "iframe"}]
    policies = [attrs["content"] or "" for tag, attrs in page.tags if "http-equiv" in attrs]
    assert policies[0].startswith("default-src 'none'")


def test_a_step_that_failed_stands_before_those_that_it_blocked() -> None:
    """The cause first: who is only blocked is no problem of its own."""
    metrics = build_metrics(
        steps=(
            count_step("fine", settled=9, accepted=9, first_pass=9),
            count_step("retried", settled=9, accepted=9, first_pass=2),
            count_step("stuck", settled=9, blocked=9),
            count_step("cause", settled=9, accepted=5, failed=4, first_pass=5),
            count_step("less", settled=9, accepted=4, degraded=3, skipped=2, first_pass=4),
        ),
    )
    page = Page(render(metrics))
    assert page.list_names("Step") == ["less", "cause", "retried", "stuck", "fine"]
    assert "Step less: 5 of 9 not accepted" in re.sub(r"\s+", " ", page.text)


def test_the_first_lines_name_step_worker_handoff_and_validator() -> None:
    """Which is the problem is answered before any table."""
    text = re.sub(r"\s+", " ", Page(render(build_rich_metrics("x"))).text)
    first = text[text.index("Look here first") : text.index("Steps, the worst first")]
    assert "Step x: 1 of 3 not accepted" in first
    assert "Worker x: 2 of 0 attempts refused" in first
    assert "Handoff x \u2192 x: 2.0 s in all, 75 % of it model" in first
    assert "Validator x (x): let 3 of 4 faulty values pass" in first


def test_rows_say_what_was_counted() -> None:
    """Numbers of a table stand in its row, in the order of its head."""
    page = Page(render(build_rich_metrics("x"), runs=[build_run("it's", goal="g" * 300)]))
    effects = page.rows[page.rows.index(["Tool", *page.find_row("Tool")[1:]]) + 1]
    assert effects == ["x", "5", "0", "1", "2", "4"]
    gates = page.rows[page.rows.index(page.find_row("Criterion")) + 1]
    assert gates == ["x", "x", "3", "1", "0", "1", "3", "75.0 %"]
    run = page.find_row("it's")
    assert run[1].split() == ["\u2713", "completed"]
    assert run[2] == "g" * 119 + "\u2026"
    assert run[4:] == ["1 min 30 s", """interlock report 'it'"'"'s'"""]


def test_days_without_anything_are_left_out() -> None:
    """A quiet week is no row and no bar; a day on which steps settled is both."""
    busy = build_metrics(
        total=count_step("", settled=4, accepted=3, failed=1), steps=(count_step("a", settled=4),)
    )
    days = [("2026-03-02", build_metrics()), ("2026-03-03", busy)]
    text = render(busy, days=days)
    assert Page(text).list_names("Day") == ["2026-03-03"]
    assert "2026-03-02" not in text
    chart = text[text.index("<svg") : text.index("</svg>")]
    assert "2026-03-03" in chart
    assert "75" in chart or "0.75" in chart
    assert "Day by day" not in render(busy, days=days[:1])


def test_an_empty_window_says_so() -> None:
    """No table, no chart, and no share of nothing."""
    page = Page(render(build_metrics(since=NOW, until=NOW + timedelta(days=1))))
    assert page.rows == []
    assert "No step was decided in this time." in page.text
    assert "2026-03-05 12:00:00.000 UTC" in page.text
    assert not [tag for tag, _ in page.tags if tag == "svg"]


@pytest.mark.parametrize(("steps", "runs"), [(10, 20), (25, 260), (600, 3)])
def test_the_rest_of_a_long_table_is_folded(steps: int, runs: int) -> None:
    """Ten rows are open, the rest is one press away, and what is cut is told."""
    metrics = build_metrics(
        runs=RunMetrics(accepted=runs),
        steps=tuple(count_step(f"s{number}", settled=1, accepted=1) for number in range(steps)),
    )
    text = render(metrics, runs=[build_run(f"t{number}") for number in range(runs)])
    page = Page(text)
    assert len(page.list_names("Step")) == min(10, steps)
    shown = {row[0] for row in page.rows}
    assert len([name for name in shown if re.fullmatch(r"s\d+", name)]) == min(steps, 500)
    assert ("15 more" in page.text) == (steps == 25)
    assert ("the first 500 of 600" in re.sub(r"\s+", " ", page.text)) == (steps == 600)
    assert ("And 60 more" in page.text) == (runs == 260)
