"""Promotion: what turns values into facts, in one transaction, or not at all (I2).

Nodes build one and say how it is decided; storage reads what is held, lets it be decided, and
writes what came of it. So storage needs to know neither criteria nor rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from interlock.contracts.context_records import ContextVersion, FactRecord, FactRef, Facts
from interlock.contracts.plain import Plain
from interlock.contracts.shared_context import ConflictRule


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteringFact:
    """What becomes of one offered value.

    Attributes:
        value: The fact's value from now on.
        rule: Under which it was decided.
        kept: The fact that stays as it is; None if a new version is written.
        why_kept: Why it stays, in words.
        rests_on: The held fact that the value was merged with.
    """

    value: Plain
    rule: ConflictRule
    kept: FactRecord | None = None
    why_kept: str = ""
    rests_on: FactRecord | None = None


Decide: TypeAlias = Callable[[Facts], Mapping[str, EnteringFact]]
"""Given what is held, returns what becomes of each offered key; raises PromotionRefusedError.

Pure: it may be called more than once, of which one counts.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """Values offered to the shared context.

    Attributes:
        made: Who offers them; its space and version are filled in.
        spaces: Context key to the space it lives in, of all keys below.
        base: Key to the version that was shown or built on, 0 for none: of what was read and of
            what is offered.
        known: In the run's own space, the versions that this branch knows of all these keys by
            now. Keys of named spaces are looked up at their newest.
        sources: Facts that the values rest on.
        plan_order: The place of the step in the plan's order; -1 if there is none.
        decide: Decides.
    """

    made: ContextVersion
    spaces: Mapping[str, str]
    base: Mapping[str, int]
    known: Mapping[str, int] = field(default_factory=dict)
    sources: Sequence[FactRef] = ()
    plan_order: int = -1
    decide: Decide
