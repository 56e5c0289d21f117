"""The plans of the teams whose runs a benchmark multiplies: twenty steps in layers of four."""

from datetime import timedelta
from typing import Any, Final

from interlock.contracts.criteria import expr
from interlock.contracts.fallback import ask_person, skip, use_value
from interlock.contracts.ids import StepId, WorkerName
from interlock.contracts.plan import Need, Step, TaskGraph
from interlock.contracts.policy import Retry

READER: Final = "read"
WRITER: Final = "write"
PAYER: Final = "pay"

_STEPS: Final = 20
_LAYER: Final = 4
_SCHEMA: Final[dict[str, Any]] = {"type": "object", "required": ["value"]}
_WORKERS: Final = (READER, WRITER, READER, PAYER, WRITER)
_CRITERIA: Final = (
    expr("output.value > 0", message="is not above zero"),
    expr("output.value < 1000", message="is too high"),
)
_FALLBACKS: Final = ((use_value({"value": 0}),), (), (skip(gap="left out"),), (ask_person(),))


def build_template_plan(team: str) -> TaskGraph:
    """Return a team's plan, whose steps are named for the team."""
    return TaskGraph(
        goal=f"Do the {team}", steps=tuple(_build_step(team, number) for number in range(_STEPS))
    )


def _build_step(team: str, number: int) -> Step:
    above = number - number % _LAYER - _LAYER
    columns = (number % _LAYER, (number + 1) % _LAYER) if above >= 0 else ()
    name = _name_step(team, number)
    return Step(
        id=name,
        worker=WorkerName(_WORKERS[number % len(_WORKERS)]),
        instruction=f"Do {name}.",
        needs=tuple(
            Need(step=_name_step(team, above + column), accept_degraded=True) for column in columns
        ),
        criteria=_CRITERIA,
        output_schema=_SCHEMA,
        fallback=_FALLBACKS[number // 2 % len(_FALLBACKS)],
        retry=Retry(max_attempts=2, backoff=timedelta(seconds=1), jitter=0.0),
        approval="true" if number == _STEPS - 1 else None,
        context=(_name_fact(team, number - _LAYER),) if _is_reader(number) else (),
        publishes={_name_fact(team, number): "output.value"} if _is_publisher(number) else {},
    )


def _is_publisher(number: int) -> bool:
    return number % 5 == 0


def _is_reader(number: int) -> bool:
    return number >= _LAYER and _is_publisher(number - _LAYER)


def _name_fact(team: str, number: int) -> str:
    return f"{team}_{number:02d}"


def _name_step(team: str, number: int) -> StepId:
    return StepId(f"{team}_{number:02d}")
