"""Counting what is stored, for metrics: one statement a table, nothing is read row by row (I12)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from interlock.checkpoints.connection import Connection
from interlock.checkpoints.database import Database
from interlock.checkpoints.run_ledger import dump_time
from interlock.contracts.ids import StepId, ThreadId
from interlock.contracts.measures import (
    AttemptCount,
    CriterionCount,
    EdgeCount,
    EffectCount,
    FallbackCount,
    FaultCount,
    Measures,
    MeasureWindow,
    ModelCount,
    QuestionCount,
    StageCount,
    StepCount,
)
from interlock.contracts.replay import RecordedPlace

_SPLIT: Final = 1_000_000
"""Sums of money are added up in two parts: one alone may pass 64 bits."""

_BEFORE_ALL, _AFTER_ALL = "", "~"
"""Texts that every stored time stands between."""


class SqlMeasureLedger:
    """Counts what is stored on one database."""

    def __init__(self, database: Database) -> None:
        """Use a database."""
        self._database = database

    async def measure(self, window: MeasureWindow) -> Measures:
        """Return what a window holds, read at one instant."""
        return await self._database.read(lambda connection: _measure(connection, window))

    async def list_attempts(self, window: MeasureWindow, *, most: int) -> Sequence[RecordedPlace]:
        """Return the newest attempts of a window, oldest first; `step_prefix` is the whole path."""

        def operation(connection: Connection) -> Sequence[RecordedPlace]:
            scope, which = derive_scope(window)
            rows = connection.run(f"list_attempts_of_{scope}", (*which, most)).fetchall()
            return [
                RecordedPlace(
                    thread_id=ThreadId(thread_id),
                    step=StepId(step),
                    superstep=superstep,
                    attempt=attempt,
                )
                for thread_id, step, superstep, attempt in reversed(rows)
            ]

        return await self._database.read(operation)


def _measure(connection: Connection, window: MeasureWindow) -> Measures:
    scope, which = derive_scope(window)
    steps = connection.run(f"measure_steps_of_{scope}", which).fetchall()
    attempts = connection.run(f"measure_attempts_of_{scope}", which).fetchall()
    edges = connection.run(f"measure_edges_of_{scope}", which).fetchall()
    stages = connection.run(f"measure_stages_of_{scope}", which).fetchall()
    questions = connection.run(f"measure_questions_of_{scope}", which).fetchall()
    models = connection.run(f"measure_models_of_{scope}", which).fetchall()
    fallbacks = connection.run(f"measure_fallbacks_of_{scope}", which).fetchall()
    faults = connection.run(f"measure_faults_of_{scope}", which).fetchall()
    escalated = connection.run(f"measure_escalated_of_{scope}", which).fetchall()
    runs = connection.run(f"measure_runs_of_{scope}", which).fetchall()
    unmeasured = connection.run("count_unmeasured", (window.thread_id or "",)).fetchone()
    return Measures(
        runs=sorted((str(status), int(number)) for status, number in runs),
        steps=[_parse_step(row) for row in _sort(steps, 2)],
        attempts=[_parse_attempts(row) for row in _sort(attempts, 3)],
        criteria=_load_criteria(connection, scope, which),
        edges=[_parse_edge(row) for row in _sort(edges, 2)],
        stages=[_parse_stage(row) for row in _sort(stages, 1)],
        questions=[_parse_questions(row) for row in _sort(questions, 1)],
        escalated=sorted((str(step), int(number)) for step, number in escalated),
        effects=_load_effects(connection, scope, which),
        models=[_parse_model(row) for row in _sort(models, 2)],
        fallbacks=[
            FallbackCount(fallback=kind, step=step, status=status, number=int(number))
            for kind, step, status, number in _sort(fallbacks, 3)
        ],
        faults=[
            FaultCount(step=step, how=how, found=int(found), values=int(values))
            for step, how, found, values in _sort(faults, 2)
        ],
        unmeasured=int(unmeasured[0]),
    )


def derive_scope(window: MeasureWindow) -> tuple[str, tuple[str, ...]]:
    """Return which form of the statements counts a window, and with which parameters."""
    scope = "window" if window.thread_id is None else "thread"
    return scope, (
        window.thread_id or window.team or "",
        _dump(window.since, _BEFORE_ALL),
        _dump(window.until, _AFTER_ALL),
        window.step_prefix,
    )


def _dump(instant: datetime | None, default: str) -> str:
    return default if instant is None else dump_time(instant)


def _sort(rows: Iterable[Any], names: int) -> list[Any]:
    """Return rows in the order of the names that they begin with, the same on every database."""
    return sorted(rows, key=lambda row: [str(name) for name in row[:names]])


def _load_criteria(
    connection: Connection, scope: str, which: tuple[str, ...]
) -> list[CriterionCount]:
    rows = connection.run(f"measure_criteria_of_{scope}", which).fetchall()
    escapes = connection.run(f"measure_escapes_of_{scope}", which).fetchall()
    known = {(step, name): (int(caught), int(let)) for step, name, caught, let in escapes}
    declared = _load_words(connection, {thread_id for _, _, thread_id, *_ in rows})
    found: list[CriterionCount] = []
    for step, name, thread_id, passed, failed, undecided, *others in _sort(rows, 2):
        first_decided, first_passed, given_up = (int(number) for number in others)
        kind, words = declared.get((thread_id, name), ("", name))
        caught, escaped = known.get((step, name), (0, 0))
        found.append(
            CriterionCount(
                step=step,
                kind=kind,
                words=words,
                passed=int(passed),
                failed=int(failed),
                undecided=int(undecided),
                caught=caught,
                escaped=escaped,
                first_decided=first_decided,
                first_passed=first_passed,
                given_up=given_up,
            )
        )
    return found


def _load_words(
    connection: Connection, threads: Iterable[str]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return kind and words of criteria, by thread and hash: many come from few threads."""
    return {
        (thread, name): (kind, words)
        for thread in sorted(threads)
        for name, kind, words in connection.run("load_criteria", (thread,))
    }


def _load_effects(connection: Connection, scope: str, which: tuple[str, ...]) -> list[EffectCount]:
    rows = connection.run(f"measure_effects_of_{scope}", which).fetchall()
    repeated = connection.run(f"measure_duplicates_of_{scope}", which).fetchall()
    taken_back = connection.run(f"measure_undone_of_{scope}", which).fetchall()
    counted = {tool: [int(number) for number in numbers] for tool, *numbers in rows}
    duplicates = {tool: int(number) for tool, number in repeated}
    undone = {tool: int(number) for tool, number in taken_back}
    return [
        EffectCount(
            tool=tool,
            made=made,
            failed=failed,
            unknown=unknown,
            undone=undone.get(tool, 0),
            duplicates=duplicates.get(tool, 0),
        )
        for tool in sorted({*counted, *duplicates, *undone})
        for made, failed, unknown in [counted.get(tool, [0] * 3)]
    ]


def _parse_step(row: Any) -> StepCount:  # noqa: ANN401 - a row
    step, status, *counted = row
    numbers = [int(number) for number in counted]
    return StepCount(
        step=step,
        status=status,
        number=numbers[0],
        first_pass=numbers[1],
        by_person=numbers[2],
        by_fallback=numbers[3],
        attempts=numbers[4],
        input_tokens=numbers[5],
        output_tokens=numbers[6],
        model_calls=numbers[7],
        money=numbers[8] * _SPLIT + numbers[9],
        life_us=numbers[10],
        settle_us=numbers[11],
    )


def _parse_attempts(row: Any) -> AttemptCount:  # noqa: ANN401 - a row
    step, worker, action, *counted = row
    numbers = [int(number or 0) for number in counted]
    return AttemptCount(
        step=step,
        worker=worker,
        action=action,
        number=numbers[0],
        raised=numbers[1],
        first=numbers[2],
        input_tokens=numbers[3],
        output_tokens=numbers[4],
        money=numbers[5] * _SPLIT + numbers[6],
        queue_us=numbers[7],
        brief_us=numbers[8],
        work_us=numbers[9],
        model_us=numbers[10],
        tool_us=numbers[11],
        review_us=numbers[12],
        judge_us=numbers[13],
    )


def _parse_edge(row: Any) -> EdgeCount:  # noqa: ANN401 - a row
    source, target, *counted = row
    numbers = [int(number) for number in counted]
    return EdgeCount(
        source=source,
        target=target,
        number=numbers[0],
        attempts=numbers[1],
        queue_us=numbers[2],
        brief_us=numbers[3],
        model_us=numbers[4],
        tool_us=numbers[5],
        other_us=numbers[6],
        review_us=numbers[7],
        promotion_us=numbers[8],
        person_us=numbers[9],
        life_us=numbers[10],
        longest_us=numbers[11],
    )


def _parse_stage(row: Any) -> StageCount:  # noqa: ANN401 - a row
    stage, number, total, half, most, longest = row
    return StageCount(
        stage=stage,
        number=int(number),
        total_us=int(total),
        p50_us=int(half),
        p95_us=int(most),
        longest_us=int(longest),
    )


def _parse_questions(row: Any) -> QuestionCount:  # noqa: ANN401 - a row
    kind, asked, answered, still_open, waited, longest = row
    return QuestionCount(
        kind=kind,
        asked=int(asked),
        answered=int(answered),
        still_open=int(still_open),
        waited_us=int(waited),
        longest_us=int(longest),
    )


def _parse_model(row: Any) -> ModelCount:  # noqa: ANN401 - a row
    model, role, *counted = row
    numbers = [int(number) for number in counted]
    return ModelCount(
        model=model,
        role=role,
        calls=numbers[0],
        failed=numbers[1],
        unended=numbers[2],
        input_tokens=numbers[3],
        output_tokens=numbers[4],
        cached_tokens=numbers[5],
        money=numbers[6] * _SPLIT + numbers[7],
    )
