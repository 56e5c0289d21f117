"""The public fault injector: what it was told to inject, where, and a record of each."""

import pickle
import random
from collections import Counter
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.types import interrupt

import interlock as il
from interlock.testing import (
    FaultInjector,
    FaultKind,
    InjectedError,
    InjectedRateLimitError,
    LostAnswerError,
    ManualClock,
    ModelReply,
    Place,
    ScriptedModel,
    mast_mix,
    mast_modes,
)
from interlock.testing.spoilt_values import cut_off, make_garbage, make_wrong
from tests.integration.teams import build_desk, build_step

KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
ORDER = {"order_id": "W17", "cents": 4200, "lines": ["tea", "milk"]}
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def give_order(_: il.Brief) -> dict[str, Any]:
    """Work without a fault."""
    return dict(ORDER)


def build_injector(kind: FaultKind, rate: float = 1.0, **options: Any) -> FaultInjector:
    """Return an injector of one kind."""
    return FaultInjector(seed=7, rates={kind: rate}, **options)


def build_worker(injector: FaultInjector, agent: Any = give_order) -> il.Worker:
    """Return a worker with faults."""
    return injector.wrap(il.Worker(name="w", agent=agent))


@given(PLAIN, st.integers(0, 99))
def test_spoilt_values_are_never_the_true_ones(value: Any, seed: int) -> None:
    """Garbage has another type; a wrong value another leaf; both differ for every value."""
    assert type(make_garbage(value, random.Random(seed))) is not type(value)
    wrong = make_wrong(value, random.Random(seed))
    assert wrong != value or str(wrong) != str(value)
    if value is not None:
        assert type(wrong) is type(value) or value in ([], {})
    cut = cut_off(value, random.Random(seed))
    if isinstance(value, (str, list)):
        assert cut == value[: len(value) // 2]


def test_faults_are_a_function_of_seed_and_place() -> None:
    """The same in every process, others elsewhere, and as often as the rates say."""
    rates: dict[FaultKind, float] = {"raise": 0.1, "wrong": 0.2}
    places = [Place(thread_id=f"t{n}", step_id="a", attempt=n % 3) for n in range(4000)]
    first, again = (FaultInjector(seed=3, rates=rates) for _ in range(2))
    chosen = [first.choose(place) for place in places]
    assert chosen == [again.choose(place) for place in reversed(places)][::-1]
    assert chosen != [FaultInjector(seed=4, rates=rates).choose(place) for place in places]
    counts = Counter(chosen)
    # Three standard deviations of a binomial draw: 57 and 76.
    assert abs(counts["raise"] - 400) < 57
    assert abs(counts["wrong"] - 800) < 76
    assert set(counts) == {"raise", "wrong", None}


async def run_with(injector: FaultInjector, **fields: Any) -> il.RunResult:
    """Run one step once, with faults."""
    async with build_desk({"w": build_worker(injector)}, build_step("w", **fields)) as desk:
        return await desk.ainvoke("Test", thread_id="t")


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_reaches_a_run_and_is_recorded(kind: FaultKind) -> None:
    """A worker of a run meets the fault; the record says what, where, and what it did."""
    clock = ManualClock(auto=True)
    injector = build_injector(kind, clock=clock)
    before = clock.now()
    result = await run_with(injector)
    (injection,) = injector.injections
    assert (injection.kind, injection.name) == (kind, "w")
    assert injection.place == Place(thread_id="t", step_id="w", attempt=1)
    if kind in {"raise", "lost", "rate_limit"}:
        assert result.status == "failed"
        assert injection.true_value == (ORDER if kind == "lost" else None)
    elif kind == "slow":
        assert (result.outputs["w"], (clock.now() - before).seconds) == (ORDER, 30)
    else:
        assert injection.true_value == ORDER
        assert result.outputs["w"] == injection.given != ORDER


async def test_a_criterion_that_sees_the_fault_mends_the_run() -> None:
    """Faults of first attempts only: the second attempt is the true one."""
    injector = build_injector("wrong", strikes=lambda place: place.attempt == 1)
    sees = [il.expr("output.cents == 4200 && output.order_id == 'W17' && output.lines[0] == 'tea'")]
    fields = {"criteria": [*sees, il.expr("output.lines[1] == 'milk'")]}
    result = await run_with(injector, retry=il.Retry(max_attempts=2), **fields)
    assert (result.status, result.outputs["w"]) == ("completed", ORDER)
    assert len(injector.injections) == 1


async def test_a_resume_meets_the_same_faults() -> None:
    """A new injector, as in a new process, strikes where the old one would have."""
    for _ in range(2):
        injector = FaultInjector(seed=15, rates={"raise": 0.5})
        result = await run_with(injector, retry=il.Retry(max_attempts=8, backoff=timedelta(0)))
        assert [injection.place.attempt for injection in injector.injections] == [1, 2]
        assert [outcome.attempts for outcome in result.outcomes.values()] == [3]


async def test_any_other_team_meets_them_too() -> None:
    """`apply` gives a contender outside interlock the faults of the same places."""
    injector = build_injector("lost")
    made = []

    async def call() -> str:
        made.append(1)
        return "done"

    with pytest.raises(LostAnswerError):
        await injector.apply(Place(thread_id="t", step_id="w"), call, name="other")
    assert made == [1]


def test_models_keep_their_tools_and_schemas() -> None:
    """A faulty model is of its own class; a rate limit says how long to wait."""
    injector = build_injector("rate_limit", strikes=lambda place: place.arrival == 0)
    with ScriptedModel("fine") as model:
        faulty = injector.wrap_model(model)
        assert isinstance(faulty, ScriptedModel)
        with pytest.raises(InjectedRateLimitError) as raised:
            faulty.invoke("a")
        assert (raised.value.status_code, raised.value.retry_after_seconds) == (429, 1.0)
        assert faulty.bind_tools([]).invoke("b").text == "fine"
    assert len(model.calls) == 1


async def test_calls_at_the_same_time_have_faults_of_their_own() -> None:
    """What strikes a call follows from what it is sent, not from which of several arrives first."""
    texts = [f"question {number}" for number in range(40)]

    async def ask_all(order: list[str]) -> dict[str, bool]:
        injector = FaultInjector(seed=7, rates={"raise": 0.4})
        model = injector.wrap_model(ScriptedModel().script("fine", times=None))
        return {text: await fails(model, text) for text in order}

    async def fails(model: Any, text: str) -> bool:
        message = HumanMessage(
            text, id=str(random.random())
        )  # an id that is made up does not count
        try:
            await model.ainvoke([message])
        except InjectedError:
            return True
        return False

    there, back = await ask_all(texts), await ask_all(texts[::-1])
    assert there == back
    assert 6 <= sum(there.values()) <= 26  # 16 expected, three deviations are 9.3
    twice = FaultInjector(seed=7, rates={"raise": 0.4})
    model = twice.wrap_model(ScriptedModel().script("fine", times=None))
    struck = [await fails(model, "the same") for _ in range(30)]
    assert 0 < sum(struck) < 30  # a call that is repeated has a draw of its own


@pytest.mark.parametrize("is_same_process", [True, False])
async def test_an_attempt_made_once_more_meets_the_same_faults(is_same_process: bool) -> None:
    """A worker that asks a person runs again: its calls count from 0, in either process."""
    injector = FaultInjector(seed=1, rates={"raise": 0.5})

    async def work(_: il.Brief) -> str:
        failed = []
        for text in "abcdefgh":
            try:
                await model.ainvoke(text)
            except InjectedError:
                failed.append(text)
        heard.append("".join(failed))
        return str(interrupt("Go on?"))

    heard: list[str] = []
    model = injector.wrap_model(ScriptedModel().script("fine", times=None))
    async with il.open_storage("memory://") as storage:
        async with build_desk({"w": work}, storage=storage) as desk:
            waiting = await desk.ainvoke("Go", thread_id="t")
        if not is_same_process:
            model = FaultInjector(seed=1, rates={"raise": 0.5}).wrap_model(
                ScriptedModel().script("fine", times=None)
            )
        async with build_desk({"w": work}, storage=storage) as desk:
            answers = {str(waiting.questions[0].id): il.edit("yes")}
            assert (await desk.aanswer("t", answers)).status == "completed"
    first, second = heard
    assert first == second
    assert 0 < len(first) < 8


def test_a_truncated_stream_just_ends() -> None:
    """Nobody raises: the end is missing, and so is the word that it was reached."""
    faulty = build_injector("truncated").wrap_model(ScriptedModel("one two three four"))
    pieces = list(faulty.stream("a"))
    assert "".join(piece.text for piece in pieces) == "one two "
    assert not any("finish_reason" in piece.response_metadata for piece in pieces)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_tool_calls_get_wrong_arguments_or_none(is_streamed: bool) -> None:
    """A fault of a reply that is a tool call strikes its arguments, streamed or not."""
    reply = ModelReply.calling(pay={"cents": 42})
    for kind, is_valid in (("wrong", True), ("garbage", False)):
        faulty = build_injector(kind).wrap_model(ScriptedModel(reply))
        if is_streamed:
            first, *others = faulty.stream("a")
            message: Any = sum(others, first)
        else:
            message = faulty.invoke("a")
        assert [call["name"] for call in message.tool_calls] == (["pay"] if is_valid else [])
        assert [call["args"]["cents"] == 42 for call in message.tool_calls] == [False] * is_valid
        assert len(message.invalid_tool_calls) == (0 if is_valid else 1)


async def test_tools_and_functions_lose_their_answers() -> None:
    """The effect has happened when the answer is lost; sync, async, and as a LangChain tool."""
    made: list[str] = []

    async def pay(order_id: str) -> str:
        """Pay an order."""
        made.append(order_id)
        return "paid"

    def pay_now(order_id: str) -> str:
        """Pay an order at once."""
        made.append(order_id)
        return "paid"

    injector = build_injector("lost")
    with pytest.raises(LostAnswerError):
        await injector.wrap_tool(pay)("a")
    with pytest.raises(LostAnswerError):
        injector.wrap_tool(pay_now)("b")
    faulty = injector.wrap_tool(tool(pay_now))
    with pytest.raises(LostAnswerError):
        faulty.invoke({"order_id": "c"})
    assert (made, faulty.name) == (["a", "b", "c"], "pay_now")
    with pytest.raises(il.ConfigurationError, match="no tool"):
        injector.wrap_tool(object())


def test_what_cannot_be_is_refused() -> None:
    """Rates that are no shares, unknown kinds, and a whole team as a worker."""
    with pytest.raises(il.ConfigurationError, match="together at most 1"):
        FaultInjector(seed=1, rates={"raise": 0.6, "slow": 0.6})
    with pytest.raises(il.ConfigurationError, match="Known kinds"):
        FaultInjector(seed=1, rates={"explode": 0.1})  # type: ignore[dict-item]
    with pytest.raises(il.ConfigurationError, match="whole team"):
        build_worker(build_injector("raise"), build_desk({"inner": give_order}))


def test_errors_pickle() -> None:
    """What is raised crosses processes with its values."""
    for error in (
        InjectedError(name="w"),
        LostAnswerError(name="w"),
        InjectedRateLimitError(name="w", retry_after_seconds=2.0),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


def test_the_mix_of_mast_has_its_shares() -> None:
    """Fourteen modes; what wrapping cannot inject is left out, and said."""
    modes = {mode.id: mode for mode in mast_modes()}
    assert len(modes) == 14
    assert {mode.id for mode in modes.values() if mode.kind is None} == {
        "FM-1.2",
        "FM-3.2",
        "FM-3.3",
    }
    mix = mast_mix(0.2)
    assert sum(mix.values()) == pytest.approx(0.2)
    # Printed shares of FM-1.3 and FM-1.5, which one kind each stands for.
    assert mix["lost"] / mix["slow"] == pytest.approx(15.7 / 12.4)
    assert FaultInjector(seed=1, rates=mix).rates == mix
