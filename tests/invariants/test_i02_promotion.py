"""I2: only an output that passed its schema and its criteria becomes a fact of the context."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.testing import ManualClock
from tests.integration.teams import Recorder, build_desk, build_step
from tests.invariants.example_settings import draw_examples

SHAPE = {"type": "object", "required": ["fact"], "properties": {"size": {"type": "integer"}}}
GOOD = {"fact": "good", "size": 2}
CRITERIA = [
    il.expr("output.size >= 0"),
    il.check("is_even"),
    il.schema({"properties": {"size": {"maximum": 100}}}),
]


def is_even(output: Any, brief: il.Brief) -> bool:
    """Return whether the output's size is even; raises if there is none."""
    return bool(output["size"] % 2 == 0)


def is_acceptable(output: Any) -> bool:
    """Say once more, in plain Python, what SHAPE, OUTPUT_SCHEMA and CRITERIA demand."""
    if not isinstance(output, dict) or "fact" not in output:
        return False
    if not isinstance(output["fact"], str) or type(output.get("size")) is not int:
        return False
    return 0 <= output["size"] <= 100 and output["size"] % 2 == 0


OUTPUT_SCHEMA = {"properties": {"fact": {"type": "string"}}}

outputs = st.one_of(
    st.fixed_dictionaries(
        {"fact": st.one_of(st.text(max_size=3), st.integers(0, 3))},
        optional={"size": st.one_of(st.integers(-2, 103), st.booleans(), st.just("2"))},
    ),
    st.sampled_from([None, [], "fact", {"size": 2}, {}]),
)


def build_source(**fields: Any) -> il.Step:
    """Return a step that publishes a fact, if its output may."""
    return build_step(
        "source",
        criteria=CRITERIA,
        output_schema=OUTPUT_SCHEMA,
        publishes={"fact": "output.fact", "whole": "output"},
        **fields,
    )


def build_reader() -> il.Step:
    """Return a step that is shown the facts, if there are any."""
    need = il.Need(step="source", accept_degraded=True)
    return build_step("reader", needs=[need], inputs={}, context=["fact", "whole"])


class Facts:
    """A team of a source that gives these outputs in turn, and a reader."""

    def __init__(self, *gives: Any, **fields: Any) -> None:
        """Declare it."""
        self.reader = Recorder()
        self.source = Recorder(*gives)
        retry = il.Retry(max_attempts=len(gives), backoff=timedelta(0))
        self.desk = build_desk(
            {
                "source": il.Worker(name="source", agent=self.source, output=SHAPE),
                "reader": self.reader,
            },
            build_source(**{"retry": retry, **fields}),
            build_reader(),
            checks=[is_even],
            clock=ManualClock(auto=True),
        )

    def require(self, result: il.RunResult, facts: dict[str, Any]) -> None:
        """Hold what was published, and what the reader was shown, to these facts."""
        assert result.outcomes["source"].published == facts
        assert [brief.dump()["context"] for brief in self.reader.briefs] == [facts]
        others = [o for step, o in result.outcomes.items() if step != "source"]
        assert not any(outcome.published for outcome in others)


@given(gives=st.lists(outputs, min_size=1, max_size=4))
@draw_examples(40)
def test_i02_the_first_output_that_passes_everything_is_the_fact(gives: list[Any]) -> None:
    """I2: refused outputs leave no trace in the context, and the accepted one enters as it is."""

    async def live() -> None:
        facts = Facts(*gives, fallback=[il.skip(gap="no fact")])
        async with facts.desk as desk:
            result = await desk.ainvoke("Test", thread_id="t")
        accepted = next((each for each in gives if is_acceptable(each)), None)
        if accepted is None:
            assert result.outcomes["source"].status == "skipped"
            facts.require(result, {})
        else:
            assert result.outcomes["source"].status == "accepted"
            facts.require(result, {"fact": accepted["fact"], "whole": accepted})

    asyncio.run(live())


@pytest.mark.parametrize(
    "way",
    [il.use_value({"fact": "declared", "size": 2}), il.skip(gap="no fact")],
    ids=lambda way: way.kind,
)
async def test_i02_what_is_settled_for_is_no_fact(way: Any) -> None:
    """I2: a declared value that would pass is degraded all the same, and is not promoted."""
    facts = Facts({"fact": "odd", "size": 1}, fallback=[way])
    async with facts.desk as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "degraded"
    facts.require(result, {})
    assert result.outcomes["reader"].rests_on == ("source",)


async def test_i02_a_failed_source_publishes_nothing_and_starts_no_reader() -> None:
    """I2: a refused output that nothing stands in for is seen by nobody."""
    facts = Facts({"fact": "odd", "size": 1})
    async with facts.desk as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert {step: o.status for step, o in result.outcomes.items()} == {
        "source": "failed",
        "reader": "blocked",
    }
    assert result.outcomes["source"].published == {}
    assert facts.reader.calls == 0


async def test_i02_an_edited_output_is_reviewed_before_it_is_a_fact() -> None:
    """I2: what a person writes instead is promoted only if it passes the step's own demands."""
    facts = Facts({"fact": "odd", "size": 1}, fallback=[il.ask_person()])
    async with facts.desk as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        for bad in (
            {"fact": 7, "size": 2},
            {"fact": "odd", "size": 3},
            {"fact": "big", "size": 200},
        ):
            result = await desk.aanswer("t", {result.questions[0].id: il.edit(bad)})
            assert result.status == "waiting"
            assert result.outcomes["source"].published == {}
            assert facts.reader.calls == 0
        result = await desk.aanswer("t", {result.questions[0].id: il.edit(GOOD)})
    assert result.status == "completed"
    facts.require(result, {"fact": "good", "whole": GOOD})


async def test_i02_a_refused_output_that_a_person_lets_pass_is_marked() -> None:
    """I2: only a person can promote what the criteria refuse, and the outcome says so."""
    odd = {"fact": "odd", "size": 1}
    facts = Facts(odd, fallback=[il.ask_person()])
    async with facts.desk as desk:
        result = await desk.ainvoke("Test", thread_id="t")
        assert facts.reader.calls == 0
        result = await desk.aanswer("t", {result.questions[0].id: il.approve()})
    assert result.outcomes["source"].approved_by_person
    facts.require(result, {"fact": "odd", "whole": odd})


async def test_i02_a_fact_cannot_be_changed_by_who_reads_it() -> None:
    """I2: the context is read-only; a later reader sees what was promoted."""
    whole = {"fact": "f", "size": 2, "parts": [1, {"two": 2}]}

    async def spoil(brief: il.Brief) -> str:
        for change in (
            lambda: brief.context.update(fact="spoilt"),
            lambda: brief.context["whole"]["parts"].append(3),
            brief.context["whole"]["parts"][1].clear,
        ):
            with pytest.raises(TypeError, match="read-only"):
                change()
        return "tried"

    reader = Recorder()
    steps = (
        build_step("source", publishes={"fact": "output.fact", "whole": "output"}),
        build_step("spoil", needs=["source"], context=["fact", "whole"]),
        build_step("reader", needs=["source", "spoil"], inputs={}, context=["fact", "whole"]),
    )
    agents = {"source": Recorder(whole), "spoil": spoil, "reader": reader}
    async with build_desk(agents, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.status == "completed"
    assert reader.briefs[0].dump()["context"] == {"fact": "f", "whole": whole}


async def test_i02_a_path_that_leads_nowhere_publishes_nothing_and_says_so() -> None:
    """I2: an accepted output without the promised part is degraded, its other parts are facts."""
    steps = (
        build_step("source", publishes={"fact": "output.fact", "lost": "output.lost"}),
        build_step(
            "reader",
            needs=[il.Need(step="source", accept_degraded=True)],
            context=["fact", "lost"],
        ),
    )
    reader = Recorder()
    async with build_desk({"source": Recorder({"fact": 1}), "reader": reader}, *steps) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outcomes["source"].status == "degraded"
    assert "'lost'" in str(result.outcomes["source"].gap)
    assert reader.briefs[0].dump()["context"] == {"fact": 1}
