"""What the page about one run is made of: nothing is left out in silence, nothing said wrongly."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.contracts.blame import (
    AskedPerson,
    CalledTool,
    ReviewedOutput,
    SettledStep,
    ThreadLineage,
)
from interlock.contracts.handoff import Handoff
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.measures import Measures, MeasureWindow
from interlock.contracts.plan_version import PlanVersion
from interlock.contracts.run_record import RunRecord
from interlock.telemetry.metrics import AffectedStep, FaultTrail, StepPlace, derive_metrics
from interlock.telemetry.report import RunMaterial, render_run
from interlock.telemetry.report.run_handoffs import find_cut, list_handoffs
from interlock.telemetry.report.run_places import derive_anchor
from interlock.telemetry.report.run_steps import list_graphs, list_steps
from interlock.telemetry.report.run_timeline import build_timeline, list_bars

NOON: Final = datetime(2026, 3, 4, 12, tzinfo=UTC)
SECOND: Final = 1_000_000
HERE: Final = ThreadId("t17")


def after(seconds: float) -> datetime:
    """Return an instant after noon."""
    return NOON + timedelta(seconds=seconds)


def plan(*steps: str, version: int = 1, **needs: Sequence[str]) -> PlanVersion:
    """Return a version of a plan."""
    graph = il.TaskGraph(
        goal="g",
        version=version,
        steps=[
            il.Step(id=name, worker="w", instruction=f"Do {name}", needs=needs.get(name, []))
            for name in steps
        ],
    )
    return PlanVersion(plan=graph, at=NOON, by="planner")


def settled(step: str, status: str = "accepted", **changes: Any) -> SettledStep:
    """Return how a step settled: begun at noon, ten seconds long, at the first attempt."""
    fields = {
        "seq": 1,
        "superstep": "1",
        "worker": "w",
        "attempts": 1,
        "fallback": None,
        "begun_at": NOON,
        "settled_at": after(10),
        "settle_us": SECOND,
        "tokens": 5,
        "money": 0,
    }
    return SettledStep(step_id=StepId(step), status=status, **{**fields, **changes})


def handoff(payload: Any, kind: Any = "output", **changes: Any) -> Handoff:
    """Return a handoff of step `a`."""
    fields = {"id": f"h{id(payload)}", "superstep": "1", "sender": "w", "receiver": "supervisor"}
    known = {"step_id": "a", "payload_hash": "f" * 64, "ended_at": NOON, **fields}
    return Handoff.model_validate(
        {"thread_id": HERE, "kind": kind, "payload": payload, **known, **changes}
    )


def material(**changes: Any) -> RunMaterial:
    """Return what a page is made from: a completed run of a plan of two steps."""
    fields = {
        "run": RunRecord(
            thread_id=HERE, goal="g", status="completed", accepted_at=NOON, updated_at=after(20)
        ),
        "handoffs": (),
        "plans": {"": [plan("a", "b", b=["a"])]},
        "lineage": ThreadLineage(thread_id=HERE),
        "metrics": derive_metrics(Measures(), window=MeasureWindow(thread_id=HERE)),
        "now": after(60),
        "command": "interlock handoffs t17",
    }
    return RunMaterial(**{**fields, **changes})


@given(st.lists(st.integers(0, 500), max_size=30), st.integers(0, 300), st.integers(0, 2_000))
def test_only_the_longest_payloads_are_cut(lengths: list[int], each: int, room: int) -> None:
    """Together they fit, none is cut where all fit, and a sign more of each would be too much."""
    cut = find_cut(lengths, most_each=each, most_all=room)
    total = sum(min(length, cut) for length in lengths)
    assert cut <= each
    assert total <= max(room, 0)
    if sum(min(length, each) for length in lengths) <= room:
        assert cut == each
    else:
        assert sum(min(length, cut + 1) for length in lengths) > room


def test_one_long_payload_among_many_stays_longer_than_its_share() -> None:
    """Room that short payloads leave is the long one's; what is cut says how long it was."""
    rows = [handoff("x"), handoff("y" * 500), handoff("z")]
    shown = list_handoffs(material(handoffs=rows), most_each=1_000, most_all=306)
    assert [len(str(row["payload"])) for row in shown] == [3, 300, 3]
    assert [(row["is_cut"], row["chars"]) for row in shown] == [(False, 3), (True, 502), (False, 3)]


def test_a_cut_payload_names_its_hash_and_the_command() -> None:
    """Whoever wants all of it is told how."""
    page = render_run(material(handoffs=[handoff("y" * 150_000)]))
    assert "f" * 64 in page
    assert "interlock handoffs t17" in page
    assert "y" * 100_001 not in page


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"passed": True}, "passed"),
        ({"passed": False}, "failed"),
        ({"passed": False, "asks_person": True}, "undecided"),
        ({"passed": True, "undecided": True}, "undecided"),
    ],
)
def test_what_nobody_could_decide_is_not_called_failed(
    fields: Mapping[str, bool], result: str
) -> None:
    """Findings are told as metrics count them."""
    finding = {"criterion": "c", **fields}
    row = handoff("x", verdict={"action": "park", "findings": [finding]})
    (shown,) = list_handoffs(material(handoffs=[row]))
    (found,) = shown["findings"]
    assert found["result"] == result


def test_steps_come_after_what_they_need_and_say_how_they_ended() -> None:
    """Newest outcomes count, whoever has none is planned, or running once it was briefed."""
    lineage = ThreadLineage(
        thread_id=HERE,
        outcomes=[settled("a", "waiting"), settled("a", "failed", seq=2, attempts=3)],
    )
    plans = {"": [plan("c", "b", "a", b=["a"], c=["b"])]}
    briefed = handoff({}, "brief", step_id="b", attempt=1)
    gone = handoff({"reason": "no ink"}, "settlement", status="failed")
    steps = list_steps(material(plans=plans, lineage=lineage, handoffs=[briefed, gone]))
    shown = [(step["path"], step["status"], step["attempts"], step["reason"]) for step in steps]
    assert shown == [("a", "failed", 3, "no ink"), ("b", "running", 0, ""), ("c", "planned", 0, "")]
    assert steps[0]["took"] == timedelta(seconds=10)


def test_steps_that_a_replan_left_out_are_told() -> None:
    """They stand in the list, with how they ended and why, and not in the graph."""
    versions = [plan("a", "old", "never"), plan("a", "b", version=2)]
    lineage = ThreadLineage(thread_id=HERE, outcomes=[settled("a"), settled("old")])
    made = material(plans={"": versions}, lineage=lineage)
    steps = list_steps(made)
    assert [(step["path"], step["status"]) for step in steps] == [
        ("a", "accepted"),
        ("b", "planned"),
        ("old", "accepted"),
    ]
    assert steps[2]["reason"] == "A later version of the plan left it out."
    (graph,) = list_graphs(made, steps)
    assert [step["path"] for step in graph["steps"]] == ["a", "b"]


def trail(origin: StepPlace, *reached: tuple[StepPlace, str]) -> FaultTrail:
    """Return a trail that leads from its origin straight to these."""
    return FaultTrail(
        origin=origin,
        attempt=1,
        worker="w",
        settled_at=NOON,
        faults=(),
        affected=tuple(
            AffectedStep.model_validate(
                {
                    "place": place,
                    "status": "accepted",
                    "distance": 1,
                    "via": origin,
                    "by": by,
                    "carries": True,
                    "settled_at": NOON,
                    "attempts": 1,
                    "tokens": 0,
                    "money": "0",
                }
            )
            for place, by in reached
        ),
    )


def test_faults_of_other_threads_do_not_mark_this_one() -> None:
    """A fact of a named space reaches another thread's step: it has no link here and no mark."""
    mine, other = (
        StepPlace(thread_id=ThreadId(thread), superstep="1", step_id=StepId(step))
        for thread, step in ((HERE, "a"), ("t18", "b"))
    )
    made = material(trails=[trail(mine, (other, "fact")), trail(other)])
    (graph,) = list_graphs(made, list_steps(made))
    marks = {step["path"]: (step["is_faulty"], step["is_tainted"]) for step in graph["steps"]}
    assert marks == {"a": (True, False), "b": (False, False)}
    assert not any(edge["is_tainted"] for edge in graph["edges"])
    assert "b (thread t18)" in render_run(made)


@pytest.mark.parametrize(("by", "is_drawn"), [("output", True), ("fact", True), ("loss", False)])
def test_the_way_of_a_fault_is_drawn_where_no_need_leads(by: str, *, is_drawn: bool) -> None:
    """A fact goes from any step to any: the graph shows it. What was lost got nothing."""
    start, end = (
        StepPlace(thread_id=HERE, superstep="1", step_id=StepId(step)) for step in ("b", "c")
    )
    made = material(plans={"": [plan("a", "b", "c")]}, trails=[trail(start, (end, by))])
    (graph,) = list_graphs(made, list_steps(made))
    drawn = [(edge["source"], edge["target"], edge["by"]) for edge in graph["edges"]]
    assert drawn == ([("b", "c", by)] if is_drawn else [])


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=2, unique=True))
def test_no_two_steps_have_one_anchor(paths: list[str]) -> None:
    """Anchors are ASCII that needs no quoting, and tell every two paths apart."""
    one, other = map(derive_anchor, paths)
    assert one != other
    assert one.isascii()
    assert not set(one) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def build_lineage() -> ThreadLineage:
    """Return a step of two attempts: the second settles it after a person was asked."""
    spans = {"queue_us": SECOND, "brief_us": SECOND, "model_us": 0, "tool_us": 0}
    outputs = [
        ReviewedOutput(
            superstep="1",
            step_id=StepId("a"),
            attempt=attempt,
            sender="w",
            turn_at=after(begin + 1),
            started_at=after(begin + 2),
            work_us=3 * SECOND,
            review_us=SECOND,
            **spans,
        )
        for attempt, begin in ((1, 0), (2, 6))
    ]
    return ThreadLineage(
        thread_id=HERE,
        outcomes=[settled("a", attempts=2, settled_at=after(12.5))],
        outputs=outputs,
        tools=[
            CalledTool(
                step_id=StepId("a"), attempt=2, tool="crm", started_at=after(9), ended_at=after(10)
            )
        ],
        questions=[AskedPerson(step_id=StepId("a"), asked_at=after(11), answered_at=None)],
    )


def test_the_timeline_shows_every_stage_of_every_attempt() -> None:
    """Queue, brief, work, review; promotion of the last; tools within; a person until now."""
    bars = [
        (bar["stage"], bar["from"], bar["to"])
        for bar in list_bars(material(lineage=build_lineage()))
    ]
    assert bars == [
        ("queue", 0, 1),
        ("brief", 1, 2),
        ("work", 2, 5),
        ("review", 5, 6),
        ("queue", 6, 7),
        ("brief", 7, 8),
        ("work", 8, 11),
        ("review", 11, 12),
        ("promotion", 12, 12.5),
        ("tool", 9, 10),
        ("person", 11, 60),
    ]


def test_a_timeline_says_how_many_steps_it_leaves_out() -> None:
    """Beyond a bound, those that began last are not drawn, and counted."""
    asked = [
        AskedPerson(step_id=StepId(f"s{place}"), asked_at=after(place), answered_at=after(50))
        for place in range(7)
    ]
    made = material(lineage=ThreadLineage(thread_id=HERE, questions=asked))
    timeline = build_timeline(made, most=5)
    assert timeline.left_out == 2
    assert timeline.svg is not None
    assert "s4, a person" in timeline.svg
    assert "s5, a person" not in timeline.svg
    assert build_timeline(material()).svg is None
