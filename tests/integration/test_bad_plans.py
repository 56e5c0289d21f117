"""Plans, planners and checks that are no good: told all at once, asked again, never half run."""

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import interlock as il
from tests.integration.stopped_clock import StoppedClock
from tests.integration.teams import Recorder, build_desk, build_plan, build_step, give, locate
from tests.integration.thread_reading import read_thread, resume_twice


class Order(BaseModel):
    """What an order looks like."""

    id: str
    status: str


def build_bad_plan() -> il.TaskGraph:
    """Return a plan with one problem of every kind that a plan with steps can have."""
    return build_plan(
        build_step("order", "reader", publishes={"total": "output.status"}),
        build_step("twin", "reader", publishes={"total": "output.status"}),
        build_step("twin", "reader", publishes={"total": "output.status"}),
        build_step("unknown_worker", "wrter"),
        build_step("unknown_need", "writer", needs=["ordr"]),
        build_step("twice", "writer", needs=["order", "order"]),
        build_step("not_needed", "writer", inputs={"x": "order.status"}),
        build_step("no_path", "writer", needs=["order"], inputs={"x": "order.statu"}),
        build_step("both", "writer", needs=["order"], inputs={"x": "order"}, arguments={"x": 1}),
        build_step("no_cel", "writer", criteria=[il.expr("output ==")]),
        build_step("no_check", "writer", criteria=[il.check("polit")]),
        build_step("no_judge", "writer", criteria=[il.rubric("Is it kind?")]),
        build_step("no_schema", "writer", output_schema={"type": "objekt"}),
        build_step("no_condition", "writer", approval="outputs.x"),
        build_step("endless", "writer", fallback=[il.use_worker("writer")]),
        build_step("lost", "writer", fallback=[il.use_worker("nobody")]),
        build_step(
            "misfit", "writer", output_schema={"type": "string"}, fallback=[il.use_value(7)]
        ),
        build_step("astray", "reader", publishes={"x": "output.statu"}),
        build_step("no_context", "writer", context=["tenannt"]),
        build_step("no_value", "writer", arguments={"x": math.nan, "y": [print]}),
        build_step("ring_a", "writer", needs=["ring_b"]),
        build_step("ring_b", "writer", needs=["ring_a"]),
        build_step("own_tail", "writer", needs=["own_tail"]),
        goal="a\ud800",
    )


async def test_every_kind_of_problem_is_told_at_once_and_nothing_is_started(tmp_path: Path) -> None:
    """One error lists every problem, with the step, what was seen and the nearest known name."""
    worker = Recorder()
    workers = {
        "reader": il.Worker(name="reader", agent=worker, output=Order),
        "writer": worker,
    }
    desk = build_desk(
        workers,
        planner=build_bad_plan(),
        checks={"polite": lambda output, brief: True},
        storage=locate(tmp_path),
    )
    async with desk:
        with pytest.raises(il.PlanError) as refused:
            await desk.ainvoke("Test", thread_id="t", context={"tenant": "north"})
        with pytest.raises(il.UnknownThreadError):
            await desk.astatus("t")
    found = [(problem.code, problem.step_id) for problem in refused.value.problems]
    assert sorted(found, key=str) == sorted(
        [
            ("bad_value", None),
            ("duplicate_step", "twin"),
            ("conflicting_publish", "twin"),
            ("conflicting_publish", "twin"),
            ("unknown_worker", "unknown_worker"),
            ("unknown_dependency", "unknown_need"),
            ("duplicate_need", "twice"),
            ("unknown_input", "not_needed"),
            ("unknown_input_path", "no_path"),
            ("duplicate_input", "both"),
            ("bad_criterion", "no_cel"),
            ("bad_criterion", "no_check"),
            ("bad_criterion", "no_judge"),
            ("bad_schema", "no_schema"),
            ("bad_approval", "no_condition"),
            ("endless_fallback", "endless"),
            ("unknown_worker", "lost"),
            ("bad_fallback_value", "misfit"),
            ("unknown_publish_path", "astray"),
            ("unknown_context_key", "no_context"),
            ("bad_value", "no_value"),
            ("cycle", "own_tail"),
            ("cycle", "ring_a"),
        ],
        key=str,
    )
    words = str(refused.value)
    assert words.startswith(f"The task graph has {len(found)} problems:")
    for seen in (
        "Did you mean 'writer'",
        "Did you mean 'order'",
        "Did you mean 'status'",
        "Did you mean 'polite'",
        "Did you mean 'tenant'",
        "ring_a -> ring_b",
    ):
        assert seen in words
    assert "arguments.x is nan" in words
    assert worker.calls == 0


def test_a_plan_without_steps_is_refused() -> None:
    """It says to add one."""
    with pytest.raises(il.PlanError, match=r"has no steps\. Add at least one"):
        build_desk({"writer": give(1)}, planner=build_plan()).invoke("Test", thread_id="t")


class _UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


GARBAGE = [
    (ValueError("no idea"), "The planner raised ValueError: no idea"),
    (ValueError("a\ud800"), "The planner raised ValueError: a?"),
    (_UnspeakableError(), "The planner raised _UnspeakableError"),
    (SystemExit(2), "SystemExit"),
    (None, "The planner returned None, which is not a task graph"),
    ("\ud800 first I would ...", "first I would"),
    ({"steps": [{"id": "9 lives"}]}, "steps.0.worker: This field is missing"),
    (build_plan(build_step("work", arguments={"f": print})), "arguments.f is <built-in"),
    (build_plan(build_step("work", instruction="a\ud800")), "instruction is a lone surrogate"),
]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("answer", "words"), GARBAGE, ids=[words for _, words in GARBAGE])
async def test_a_planner_that_gives_no_plan_is_told_why_and_then_believed(
    tmp_path: Path, is_async: bool, answer: Any, words: str
) -> None:
    """Two bad answers and a good one make a run; the requests say what was wrong with the last."""
    asked: list[il.PlanRequest] = []

    def answer_next(request: il.PlanRequest) -> Any:
        asked.append(request)
        given = answer if request.attempt < 3 else build_plan(build_step("work"))
        if isinstance(given, BaseException):
            raise given
        return given

    async def answer_later(request: il.PlanRequest) -> Any:
        return answer_next(request)

    planner = answer_later if is_async else answer_next
    async with build_desk(
        {"work": give("done")}, planner=planner, storage=locate(tmp_path)
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        plans = [h for h in await desk.ahandoffs("t") if h.kind == "plan"]
        assert (await read_thread(desk, "t")).total == 1
        assert await resume_twice(desk, "t") == result
    assert result.outputs == {"work": "done"}
    assert [request.attempt for request in asked] == [1, 2, 3]
    assert list(asked[0].problems) == []
    for request in asked[1:]:
        assert words in " ".join(request.problems)
    assert [plan.payload["version"] for plan in plans] == [3]


async def test_two_invalid_plans_and_a_good_one_are_one_run_of_the_good_one(tmp_path: Path) -> None:
    """All problems of a refused plan go into the next request; only the last plan runs."""
    asked: list[il.PlanRequest] = []
    work = Recorder("done")
    plans = [
        build_plan(build_step("a", "nobody"), build_step("b", "work", needs=["c"])),
        build_plan(build_step("a", "work", needs=["a"])),
        build_plan(build_step("good", "work")),
    ]

    def plan(request: il.PlanRequest) -> il.TaskGraph:
        asked.append(request)
        return plans[request.attempt - 1]

    async with build_desk({"work": work}, planner=plan, storage=locate(tmp_path)) as desk:
        events = [event async for event in desk.astream("Test", thread_id="t")]
        await read_thread(desk, "t")
    refusals = [event for event in events if isinstance(event, il.events.PlanRefused)]
    assert [len(event.problems) for event in refusals] == [2, 1]
    assert [list(request.problems) for request in asked[1:]] == [
        list(event.problems) for event in refusals
    ]
    assert "'nobody'" in asked[1].problems[0]
    assert "'c'" in asked[1].problems[1]
    (stopped,) = [event for event in events if isinstance(event, il.events.RunStopped)]
    assert stopped.result.outputs == {"good": "done"}
    assert work.calls == 1


def raise_error(error: BaseException) -> Any:
    """Return a check that raises."""

    def check(output: Any, brief: il.Brief) -> bool:
        raise error

    return check


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (raise_error(ZeroDivisionError("by zero")), "raised ZeroDivisionError: by zero"),
        (raise_error(ValueError("a\ud800")), "raised ValueError: a?"),
        (raise_error(_UnspeakableError()), "raised _UnspeakableError"),
        (raise_error(KeyboardInterrupt()), "KeyboardInterrupt"),
        (lambda output, brief: "yes", "returned 'yes'; it must return a bool or a Finding"),
        (lambda output, brief: brief.inputs.update(x=1), "A brief is read-only"),
        (lambda output, brief: output.append(3), "A brief is read-only"),
        (
            lambda output, brief: il.Finding(passed=False, message="a\ud800", evidence=2**70),
            str(2**70),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_check_that_cannot_decide_is_a_failed_finding_that_names_it(
    tmp_path: Path, check: Any, words: str
) -> None:
    """The attempt is refused with the check's name in the feedback; the step is never accepted."""
    work = Recorder([1, 2])
    step = build_step("work", criteria=[il.check("odd")], retry=il.Retry(max_attempts=2))
    async with build_desk(
        {"work": work, "beside": give("kept")},
        step,
        build_step("beside"),
        checks={"odd": check},
        storage=locate(tmp_path),
        clock=StoppedClock(),
    ) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        await read_thread(desk, "t")
        assert await resume_twice(desk, "t") == result
    assert result.status == "failed"
    assert result.outputs == {"beside": "kept"}
    (told,) = work.briefs[1].feedback
    assert "passes the check odd" in told
    assert words in told
    assert words in str(result.outcomes["work"].reason)
