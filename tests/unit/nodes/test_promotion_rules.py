"""What becomes of an offered value: each rule, alone and beside the others (I2)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import interlock as il
from interlock.contracts.context_errors import PromotionRefusedError
from interlock.contracts.context_records import ContextVersion, FactRecord
from interlock.criteria import CriteriaEngine
from interlock.nodes.steps.promotion_rules import Offer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPACE = "space/customer/c-42"


def hold(value: Any, version: int = 1, *, order: int = -1, **made: Any) -> FactRecord:
    """Return a fact that is held; `value` ... stands for one that was retracted."""
    is_held = value is not ...
    fields = {"kind": "promotion", "thread_id": "t", "step_id": "s", "at": NOON, **made}
    return FactRecord(
        space=SPACE,
        key="n",
        version=version,
        state="fact" if is_held else "retracted",
        value=value if is_held else None,
        plan_order=order,
        made=ContextVersion(space=SPACE, version=version, **fields),
    )


def offer(value: Any, rule: str = "refuse", *, base: int = 0, order: int = 1, **more: Any) -> Any:
    """Return an offer of one value under a rule."""
    shared = il.SharedContext(
        facts=[
            il.Fact(name="n", on_conflict=rule, merge="add" if rule == "merge" else None),
            il.Fact(name="m"),
        ],
        merges={"add": lambda held, offered: held + offered},
        invariants=more.pop("invariants", ()),
    )
    return Offer(
        shared=shared,
        criteria=CriteriaEngine({}),
        thread_id="t",  # type: ignore[arg-type]
        values={"n": value},
        base={"n": base},
        plan_order=order,
        **more,
    )


def decide(one: Offer, held: FactRecord | None = None, **others: FactRecord) -> tuple[Any, bool]:
    """Return the value that stands, and whether it is the held one that stays."""
    facts = {**others, "n": held} if held is not None else others
    entering = one.decide(facts)["n"]
    return entering.value, entering.kept is not None


def refuse(one: Offer, held: FactRecord | None = None, **others: FactRecord) -> Any:
    """Return the one problem for which an offer is refused."""
    with pytest.raises(PromotionRefusedError) as refused:
        decide(one, held, **others)
    (problem,) = refused.value.problems
    return problem


@pytest.mark.parametrize("rule", ["refuse", "merge"])
def test_true_is_not_one(rule: str) -> None:
    """A value that Python finds equal is another one: it is neither kept nor taken as seen."""
    shared = il.SharedContext(
        facts=[il.Fact(name="n", on_conflict=rule, merge="take" if rule == "merge" else None)],
        merges={"take": lambda held, offered: offered},
    )
    one = replace(offer([True], base=1), shared=shared)
    if rule == "merge":
        assert decide(one, hold([1])) == ([True], False)
    else:
        assert refuse(one, hold([1], 2)).kind == "conflict"
    reading = offer(5, base=2, reads=["n"], shown={"n": 1})
    assert refuse(replace(reading, base={"n": 1}, values={}), hold(True, 2)).kind == "stale"


def test_what_is_there_before_a_run_starts_is_not_called_changed() -> None:
    """Who has never seen the fact is told that there is one, and whose."""
    assert refuse(offer(5), hold(3)).message == (
        "'n' is there already, and its rule is to refuse then: it is now 3 in customer/c-42, put "
        "there by step 's' of thread 't' (attempt 0, None)"
    )


@pytest.mark.parametrize("rule", ["refuse", "first", "last", "merge"])
def test_what_is_not_there_enters_under_any_rule(rule: str) -> None:
    """A first value meets nothing."""
    assert decide(offer(5, rule)) == (5, False)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("refuse", (5, False)), ("first", (3, True)), ("last", (5, False)), ("merge", (8, False))],
)
def test_each_rule_on_a_fact_that_nobody_has_changed(rule: str, expected: Any) -> None:
    """On its own base: refuse and last replace, first keeps, merge makes one of both."""
    assert decide(offer(5, rule, base=1), hold(3)) == expected


@pytest.mark.parametrize(
    ("rule", "expected"), [("first", (3, True)), ("last", (5, False)), ("merge", (8, False))]
)
def test_each_rule_on_a_fact_that_somebody_has_changed(rule: str, expected: Any) -> None:
    """On another's base the rule decides the same: timing makes no difference."""
    assert decide(offer(5, rule, base=1), hold(3, 2, step_id="other")) == expected


def test_refuse_refuses_what_somebody_has_changed_and_says_who() -> None:
    """Unless it is the same value, in which case there is nothing to do."""
    problem = refuse(offer(5, base=1), hold(3, 2, thread_id="u", attempt=2, worker="w"))
    assert (problem.kind, problem.key) == ("conflict", "n")
    assert "it is now 3 in customer/c-42, put there by step 's' of thread 'u' (attempt 2, w)" in (
        problem.message
    )
    assert decide(offer(3, base=1), hold(3, 2)) == (3, True)


def test_refuse_refuses_what_a_person_has_retracted_meanwhile() -> None:
    """A value that was offered without knowing of it has to be looked at again."""
    gone = hold(..., 2, kind="retraction", why="wrong", step_id=None)
    assert "retracted by a person (retraction: wrong)" in refuse(offer(5, base=1), gone).message
    assert decide(offer(5, base=2), gone) == (5, False)
    assert decide(offer(5, "first", base=1), gone) == (5, False)


@pytest.mark.parametrize(
    ("order", "thread_id", "expected"),
    [(0, "t", (5, False)), (1, "t", (5, False)), (2, "t", (3, True)), (2, "u", (5, False))],
)
def test_last_goes_by_plan_order_within_a_thread(order: int, thread_id: str, expected: Any) -> None:
    """The step later in the plan wins, whenever it ends; between threads the later commit does."""
    held = hold(3, 2, order=order, thread_id=thread_id)
    assert decide(offer(5, "last", base=1), held) == expected


def test_last_does_not_overwrite_a_person_who_spoke_later() -> None:
    """What was offered without knowing of a correction gives way; what knew of it does not."""
    corrected = hold(3, 2, kind="correction", why="x", step_id=None)
    assert decide(offer(5, "last", base=1), corrected) == (3, True)
    assert decide(offer(5, "last", base=2), corrected) == (5, False)


def test_a_merge_is_given_copies_and_its_result_is_plain() -> None:
    """What it does to its arguments changes nothing, and what it returns can be stored or not."""
    shared = il.SharedContext(
        facts=[il.Fact(name="n", on_conflict="merge", merge="extend")],
        merges={"extend": lambda held, offered: held.extend(offered) or held},
    )
    fields: dict[str, Any] = {"criteria": CriteriaEngine({}), "thread_id": "t"}
    held, values = hold([1]), {"n": [2]}
    entering = Offer(shared=shared, values=values, **fields).decide({"n": held})["n"]
    assert (entering.value, entering.rests_on) == ([1, 2], held)
    assert (held.value, values) == ([1], {"n": [2]})
    strange = shared.model_copy(update={"merges": {"extend": lambda held, offered: {1, 2}}})
    with pytest.raises(PromotionRefusedError, match="cannot be stored"):
        Offer(shared=strange, values=values, **fields).decide({"n": held})


@pytest.mark.parametrize(
    ("shown", "base", "held", "is_stale"),
    [
        ({"m": 1}, 1, hold(1, 1), False),
        ({"m": 1}, 1, hold(2, 2), True),
        ({"m": 1}, 1, hold(1, 2), False),  # another version of the same value
        ({"m": 1}, 1, hold(..., 2, kind="retraction", step_id=None), True),
        ({}, 0, None, False),
        ({}, 0, hold(1, 1), True),
        ({}, 1, hold(..., 2, kind="retraction", step_id=None), False),
    ],
)
def test_what_was_read_and_has_changed_is_stale(
    shown: Any, base: int, held: FactRecord | None, *, is_stale: bool
) -> None:
    """A read is valid if the value that was shown is the one that is held."""
    one = offer(5, shown=shown, reads=("m",))
    one = Offer(**{**{name: getattr(one, name) for name in one.__slots__}, "base": {"m": base}})
    others = {"m": held} if held is not None else {}
    if is_stale:
        assert refuse(one, **others).kind == "stale"
    else:
        assert decide(one, **others) == (5, False)


@pytest.mark.parametrize(
    ("expression", "is_broken"),
    [
        ("context.n + context.m <= 10", True),
        ("context.n + context.m <= 20", False),
        ("context.n + context.absent <= 10", False),  # not yet to be decided
        ("!has(context.absent) || context.n < 0", False),
        ("has(context.absent) || context.n < 0", True),
        ("context.n.x == 1", True),  # cannot be decided, though all is there
        ("context['n'] == 5 && context.m == 6", False),
    ],
)
def test_an_invariant_looks_at_what_would_hold(expression: str, *, is_broken: bool) -> None:
    """One that cannot be decided is broken, unless something it looks at is not there yet."""
    one = offer(5, invariants=[il.expr(expression, message="no")])
    held = {"m": hold(6)}
    if is_broken:
        problem = refuse(one, **held)
        assert (problem.kind, problem.key) == ("invariant", None)
        assert problem.message.startswith("no (")
    else:
        assert decide(one, **held) == (5, False)


def test_every_problem_is_told_at_once() -> None:
    """Stale reads, conflicts and types come together; invariants wait until those are settled."""
    shared = il.SharedContext(
        facts=[il.Fact(name="n", type={"type": "string"}), il.Fact(name="m")],
        invariants=[il.expr("false")],
    )
    one = Offer(
        shared=shared,
        criteria=CriteriaEngine({}),
        thread_id="t",  # type: ignore[arg-type]
        values={"n": 5, "m": 1},
        reads=("m",),
    )
    with pytest.raises(PromotionRefusedError) as refused:
        one.decide({"m": hold(2)})
    assert [problem.kind for problem in refused.value.problems] == ["stale", "type", "conflict"]
    assert not refused.value.is_conflict
    assert str(refused.value).startswith("Nothing entered the shared context: ")


def test_a_person_replaces_whatever_is_held() -> None:
    """Rules are about steps; type and invariants hold for people too."""
    assert decide(offer(5, "first", replaces=True), hold(3)) == (5, False)
    broken = offer(5, "first", replaces=True, invariants=[il.expr("context.n < 5")])
    assert refuse(broken, hold(3)).kind == "invariant"
