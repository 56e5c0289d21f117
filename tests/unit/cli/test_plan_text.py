"""A plan as text: whatever it holds, it is read again as it was."""

import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import interlock as il
from interlock.cli.plan_text import write_plan
from interlock.console.clean_text import clean_lines
from tests.invariants.example_settings import draw_examples

TEXT = st.text(max_size=12)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
CRITERIA = st.one_of(
    st.builds(il.expr, TEXT, message=st.none() | TEXT),
    st.builds(il.schema, st.dictionaries(TEXT, PLAIN, max_size=2)),
    st.builds(il.check, TEXT),
    st.builds(
        il.rubric,
        TEXT,
        judges=st.lists(TEXT, max_size=2),
        quorum=st.none() | st.integers(1, 3),
        undecided=st.sampled_from(["fail", "pass", "ask"]),
    ),
)
FALLBACKS = st.one_of(
    st.builds(il.use_worker, TEXT),
    st.builds(il.use_value, PLAIN),
    st.builds(lambda gap: il.skip(gap=gap), TEXT),
    st.builds(il.ask_person, st.none() | TEXT),
    st.builds(il.abandon),
)
STEPS = st.builds(
    il.Step,
    id=st.from_regex(r"[a-z]{1,6}", fullmatch=True),
    worker=TEXT,
    instruction=TEXT,
    needs=st.lists(
        st.builds(il.Need, step=st.just("a"), accept_degraded=st.booleans()), max_size=2
    ),
    inputs=st.none() | st.dictionaries(TEXT, TEXT, max_size=2),
    arguments=st.dictionaries(TEXT, PLAIN, max_size=2),
    criteria=st.lists(CRITERIA, max_size=3),
    output_schema=st.none() | st.dictionaries(TEXT, PLAIN, max_size=2),
    fallback=st.lists(FALLBACKS, max_size=3),
    retry=st.none() | st.builds(il.Retry, max_attempts=st.integers(1, 4)),
    timeout=st.none() | st.just(timedelta(seconds=0.25)),
    budget=st.none() | st.builds(il.Budget, money=st.none() | st.just(Decimal("0.10"))),
    publishes=st.dictionaries(st.just("k"), TEXT),
)
PLANS = st.builds(
    il.TaskGraph,
    goal=TEXT,
    steps=st.lists(STEPS, max_size=3),
    version=st.integers(1, 3),
    is_open=st.booleans(),
    planner_notes=st.dictionaries(TEXT, PLAIN, max_size=1),
)


@draw_examples(60)
@given(plan=PLANS)
def test_a_plan_comes_back_from_its_text_as_it_was(plan: il.TaskGraph) -> None:
    """Kinds of criteria and fallbacks, empty values and hostile texts included; also as printed."""
    text = write_plan(plan)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        for shown in (text, "\n".join(clean_lines(text))):
            path.write_text(shown, encoding="utf-8", newline="")
            assert il.load_task_graph(path) == plan


def test_what_is_so_by_default_is_left_out() -> None:
    """A small plan stays small; its version is left out where the run counts it itself."""
    step = il.Step(id="a", worker="w", instruction="Do", fallback=[il.use_value({})], inputs={})
    plan = il.TaskGraph(goal="g", steps=[step], version=2)
    assert write_plan(plan, is_versioned=False) == (
        "goal: g\nsteps:\n- id: a\n  worker: w\n  instruction: Do\n  inputs: {}\n  fallback:\n"
        "  - kind: use_value\n    value: {}\n"
    )
    assert "\nversion: 2\n" in write_plan(plan)
