"""The intake node: checks what a run is started with, and fills in what is missing."""

from collections.abc import Awaitable, Callable, Mapping

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from interlock.contracts.big_values import is_big
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.plain import Plain, parse_plain
from interlock.nodes.dispatch import refuse_max_concurrency
from interlock.nodes.run.declared_facts import (
    refuse_reserved_id,
    refuse_unknown_spaces,
    require_declared,
    require_own,
    require_spaces,
)
from interlock.nodes.run.kept_values import KeptValues, fold_values
from interlock.nodes.run.place import get_thread_id
from interlock.nodes.run.run_state import SCHEMA_VERSION, RunContext, RunState
from interlock.nodes.run.team import Team

IntakeNode = Callable[[RunState, RunnableConfig, Runtime[RunContext]], Awaitable[RunState]]


def build_intake_node(team: Team) -> IntakeNode:
    """Return the intake node of a team's run graph."""

    async def intake(
        state: RunState, config: RunnableConfig, runtime: Runtime[RunContext]
    ) -> RunState:
        """Begin a run.

        Reads: goal, context, context_refs, scope. Writes: every channel's first value; the run's
        context is stored, since LangGraph forgets it on resume. Effects: big values of the context
        are stored. Interrupts: none.
        """
        refuse_max_concurrency(config)
        goal = state.get("goal")
        if not isinstance(goal, str) or not goal.strip():
            raise ConfigurationError(
                f"The run was started with the goal {goal!r}. Give it a goal in words."
            )
        context: Mapping[str, Plain] = parse_plain(state.get("context") or {})
        refuse_reserved_id(get_thread_id(runtime))
        given = _require_context(team, state, context)
        folded, refs = context, dict(state.get("context_refs") or {})
        if any(is_big(value) for value in context.values()):
            values = KeptValues(await team.open_storage(), get_thread_id(runtime))
            folded, added = await fold_values(context, values.keep)
            refs.update(added)
        begun = RunState(
            schema_version=SCHEMA_VERSION,
            context=dict(folded),
            scope=state.get("scope", ""),
            stepwise=bool((runtime.context or {}).get("stepwise", state.get("stepwise", False))),
            effect_epoch=int(state.get("effect_epoch", 0)),
            issue_slots=team.spec.policy.max_parallel,
            started_at=team.clock.now().isoformat(),
            plan=None,
            plan_status="missing",
            plan_attempts=0,
            plan_base=0,
            plan_top=0,
            plan_streamed_in=None,
            plan_before=None,
            replans=0,
            replan_seen=[],
            replan_reason=None,
            replan_why=None,
            replan_heard=[],
            plan_added=[],
            plan_rounds=0,
            plan_stalls=0,
            plan_chain=0,
            plan_notes=[],
            plan_left_out=[],
            plan_gone=[],
            plan_spent={},
            plan_gap=None,
            plan_usage={},
            plan_problems=[],
            plan_question=None,
            outcomes={},
            answers={},
            answer_problems=[],
            failure=None,
            status=None,
            result=None,
        )
        merged: RunState = {**begun, **given}
        if refs:
            merged["context_refs"] = refs
        return merged

    return intake


def _require_context(team: Team, state: RunState, context: Mapping[str, Plain]) -> RunState:
    """Return what the run says of its shared context, once it fits what the team declares.

    A nested team gets what its step was given, and works in the named spaces of the run.

    Raises:
        ConfigurationError: It does not fit.
    """
    shared = team.spec.context
    spaces = dict(state.get("spaces") or {})
    if not state.get("scope"):
        require_declared(shared, context)
        require_own(shared, context)
        require_spaces(shared, spaces)
        refuse_unknown_spaces(team.spec.list_roles(), spaces)
    given = RunState(seed_version=state["seed_version"]) if "seed_version" in state else RunState()
    return {**given, "spaces": spaces} if spaces else given
