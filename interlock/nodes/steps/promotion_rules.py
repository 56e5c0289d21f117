"""What becomes of values that are offered to the shared context: conflicts, rules, types, invariants.

Pure functions of what is offered and what is held; storage calls them inside its transaction,
perhaps more than once. A conflict rule never depends on timing where the plan gives an order.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from interlock.contracts.context_errors import PromotionProblem, PromotionRefusedError, RefusalKind
from interlock.contracts.context_records import FactRecord, Facts
from interlock.contracts.errors import PlainValueError
from interlock.contracts.ids import ThreadId
from interlock.contracts.plain import Plain, is_same, parse_plain, thaw
from interlock.contracts.promotion import EnteringFact
from interlock.contracts.safe_words import word_error, word_value
from interlock.contracts.shared_context import Fact, SharedContext, describe_space
from interlock.criteria import CelError, CriteriaEngine, evaluate_condition, list_paths

_SHOWN_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Values that a step, a run's start or a person offers to the shared context.

    Attributes:
        shared: The team's declared context.
        criteria: Decides types and invariants.
        thread_id: The thread that offers.
        values: Context key to offered value.
        shown: Context key to the value that the step was shown.
        base: Context key to the version that was shown or built on; 0 for none.
        reads: Keys whose change is a conflict by itself.
        plan_order: The place of the step in the plan's order; -1 if there is none.
        replaces: Whether a person puts these values in the place of what is held.
    """

    shared: SharedContext
    criteria: CriteriaEngine
    thread_id: ThreadId
    values: Mapping[str, Plain]
    shown: Mapping[str, Plain] = field(default_factory=dict)
    base: Mapping[str, int] = field(default_factory=dict)
    reads: Collection[str] = ()
    plan_order: int = -1
    replaces: bool = False

    def decide(self, held: Facts) -> Mapping[str, EnteringFact]:
        """Return what becomes of each value.

        Raises:
            PromotionRefusedError: Nothing may enter; lists every reason.
        """
        problems = [*self._find_stale(held)]
        entering: dict[str, EnteringFact] = {}
        for key in self.values:
            try:
                entering[key] = self._decide_key(key, held.get(key))
            except _RefusedKeyError as exc:
                problems.append(exc.problem)
        if not problems:
            problems += self._find_broken(held, entering)
        if problems:
            raise PromotionRefusedError(problems)
        return entering

    def _find_stale(self, held: Facts) -> list[PromotionProblem]:
        """Return what was read and has changed since: a decision on it would rest on the past."""
        problems: list[PromotionProblem] = []
        for key in self.reads:
            fact = held.get(key)
            version = fact.version if fact is not None else 0
            if version == self.base.get(key, 0) or self._is_as_shown(key, fact):
                continue
            words = f"{key!r} has changed since the step was briefed: {word_held(fact)}"
            problems.append(PromotionProblem("stale", key, words))
        return problems

    def _is_as_shown(self, key: str, fact: FactRecord | None) -> bool:
        is_held = fact is not None and fact.is_held
        if key not in self.shown or fact is None:
            return key not in self.shown and not is_held
        return is_held and is_same(fact.value, self.shown[key])

    def _decide_key(self, key: str, held: FactRecord | None) -> EnteringFact:
        fact = self.shared.find_fact(key) or Fact(name=key)
        value = self.values[key]
        entering = EnteringFact(value=value, rule=fact.on_conflict)
        if held is not None and not self.replaces:
            if fact.on_conflict == "refuse" and self._is_changed(held):
                entering = self._refuse_unless_equal(held, entering)
            elif held.is_held:
                entering = self._settle_with(held, fact, entering)
        if entering.kept is None and fact.type is not None:
            problem = self.criteria.find_type_problem(entering.value, fact.type, name=key)
            if problem is not None:
                words = f"the value of {key!r} is not what the fact is declared to be: {problem}"
                raise _RefusedKeyError("type", key, words)
        return entering

    def _is_changed(self, held: FactRecord) -> bool:
        return held.version != self.base.get(held.key, 0)

    def _refuse_unless_equal(self, held: FactRecord, offered: EnteringFact) -> EnteringFact:
        if held.is_held and is_same(held.value, offered.value):
            return _keep(held, offered, why="it has this value already")
        what = "was changed meanwhile" if self.base.get(held.key, 0) else "is there already"
        words = f"{held.key!r} {what}, and its rule is to refuse then: {word_held(held)}"
        raise _RefusedKeyError("conflict", held.key, words)

    def _settle_with(self, held: FactRecord, fact: Fact, offered: EnteringFact) -> EnteringFact:
        """Return what becomes of an offered value where a fact is held."""
        match fact.on_conflict:
            case "refuse":
                return offered
            case "first":
                return _keep(held, offered, why=f"the first stays: {held.made.describe()}")
            case "last":
                return self._take_last(held, offered)
            case "merge":
                return self._merge(held, fact, offered)

    def _take_last(self, held: FactRecord, offered: EnteringFact) -> EnteringFact:
        if held.made.is_by_person and self._is_changed(held):
            return _keep(held, offered, why=f"newer than the offer: {held.made.describe()}")
        is_ours = held.made.thread_id == self.thread_id and held.made.kind == "promotion"
        if is_ours and held.plan_order > self.plan_order:
            return _keep(held, offered, why=f"later in the plan: {held.made.describe()}")
        return offered

    def _merge(self, held: FactRecord, fact: Fact, offered: EnteringFact) -> EnteringFact:
        name = fact.merge or ""
        try:
            merged = self.shared.merges[name](thaw(held.value), thaw(offered.value))
            value = parse_plain(merged, name=held.key)
        except PlainValueError as exc:
            words = f"the function {name!r} merged {held.key!r} to what cannot be stored: {exc}"
            raise _RefusedKeyError("merge", held.key, words) from exc
        except Exception as exc:  # the user's own function
            words = (
                f"the function {name!r} could not merge {held.key!r}: "
                f"{type(exc).__name__}: {word_error(exc, 300)}"
            )
            raise _RefusedKeyError("merge", held.key, words) from exc
        if is_same(value, held.value):
            return _keep(held, offered, why=f"{name} made no difference")
        return EnteringFact(value=value, rule="merge", rests_on=held)

    def _find_broken(
        self, held: Facts, entering: Mapping[str, EnteringFact]
    ) -> list[PromotionProblem]:
        """Return the invariants that would not hold."""
        context = {key: fact.value for key, fact in held.items() if fact.is_held}
        context.update({key: fact.value for key, fact in entering.items()})
        problems: list[PromotionProblem] = []
        for invariant in self.shared.invariants:
            if (words := _find_broken_words(invariant.expression, context)) is not None:
                message = invariant.message or f"{invariant.expression} would not hold"
                problems.append(PromotionProblem("invariant", None, f"{message} ({words})"))
        return problems


class _RefusedKeyError(Exception):
    """One offered value may not enter."""

    def __init__(self, kind: RefusalKind, key: str, message: str) -> None:
        super().__init__(message)
        self.problem = PromotionProblem(kind, key, message)


def _keep(held: FactRecord, offered: EnteringFact, *, why: str) -> EnteringFact:
    return EnteringFact(value=held.value, rule=offered.rule, kept=held, why_kept=why)


def word_held(fact: FactRecord | None) -> str:
    """Return what is held now and who put it there, in words."""
    if fact is None:
        return "it is gone"
    if not fact.is_held:
        return f"it was retracted by {fact.made.describe()}"
    value = word_value(fact.value, _SHOWN_CHARS)
    return f"it is now {value} in {describe_space(fact.space)}, put there by {fact.made.describe()}"


def _find_broken_words(expression: str, context: Mapping[str, Plain]) -> str | None:
    """Return what an invariant that does not hold has seen, or None.

    One that cannot be decided because something it looks at is not there yet is not broken.
    """
    paths = list_paths(expression, "context")
    try:
        if evaluate_condition(expression, {"context": context}):
            return None
    except CelError as exc:
        if any(path[:1] and path[0] not in context for path in paths):
            return None
        return f"it could not be decided: {exc}"
    seen = {path[0]: context[path[0]] for path in paths if path and path[0] in context}
    return ", ".join(f"{key} = {word_value(value, _SHOWN_CHARS)}" for key, value in seen.items())
