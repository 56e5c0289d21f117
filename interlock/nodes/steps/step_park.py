"""The park node: puts a step aside until a person has decided."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from interlock.contracts.big_values import shorten_value
from interlock.contracts.ids import PayloadHash, StepId, derive_question_id
from interlock.contracts.outcome import StepOutcome, Usage
from interlock.contracts.plain import Plain, derive_hash
from interlock.contracts.question import Decision, Question
from interlock.nodes.run.kept_values import fold_values
from interlock.nodes.run.settlement import settle_step
from interlock.nodes.run.team import Team
from interlock.nodes.steps.step_channels import fold_output
from interlock.nodes.steps.step_run import StepRun, get_step_run
from interlock.nodes.steps.step_state import StepState
from interlock.telemetry.spans import SPAN

_CARRIED: Final = (
    "attempt",
    "worker",
    "worker_attempts",
    "chain",
    "approved",
    "feedback",
    "supersteps",
    "standing",
    "orphans",
    "conflicts",
    "usage",
    "judged",
    "begun_at",
    "output",
    "brief",
)
"""What a step needs to go on after the answer, in another superstep."""


def build_park_node(team: Team) -> Callable[[StepState], Awaitable[StepState]]:
    """Return the park node of a team's step graph."""

    async def park(state: StepState) -> StepState:
        """Settle the step as waiting, with its question; other steps go on.

        Reads: question, verdict and what is carried. Writes: outcome. Effects: the question is
        durable. Interrupts: none; escalate asks.
        """
        run = get_step_run()
        question = await _build_question(team, state, run)
        carry: dict[str, Plain] = {name: state.get(name) for name in _CARRIED}
        carry["output"] = await fold_output(state.get("output"), run.values)
        carry["inputs"], refs = await fold_values(state["assignment"]["inputs"], run.values.keep)
        if refs:
            carry["input_refs"] = refs
        carry.update(await _carry_facts(state, run))
        if (span := run.spans.step.reference) is not None:
            carry[SPAN] = span
        outcome = StepOutcome(
            step_id=run.step.id,
            status="waiting",
            attempts=state["attempt"],
            reason=question.description,
            rests_on=tuple(StepId(step) for step in state["assignment"]["rests_on"]),
            question=question,
            usage=Usage.model_validate(state["usage"]),
            begun_at=datetime.fromisoformat(state["begun_at"]),
            carry=carry,
        )
        travelling = await settle_step(
            team,
            run.storage,
            outcome,
            place=run.place,
        )
        return StepState(outcome=travelling.model_dump(mode="json"))

    return park


async def _carry_facts(state: StepState, run: StepRun) -> dict[str, Plain]:
    """Return the facts on which an output was made that waits for a person.

    Promoted later, it is still held against these: what has changed meanwhile is a conflict.
    """
    assignment, output = state["assignment"], state.get("output") or {}
    if "facts" not in assignment or not output.keys() & {"value", "value_ref"}:
        return {}
    context, refs = await fold_values(assignment["context"], run.values.keep)
    carried: dict[str, Plain] = {"facts": assignment["facts"], "context": context}
    return {**carried, "context_refs": refs} if refs else carried


async def _build_question(team: Team, state: StepState, run: StepRun) -> Question:
    asked = state["question"] or {}
    kind = asked["kind"]
    args, args_ref = await _show(kind, state, run)
    description, allowed = _word(kind, run, state, asked=asked)
    shown = derive_hash({"kind": kind, "step": run.path, "args": args, "text": description})
    return Question(
        id=derive_question_id(
            run.thread_id,
            superstep=run.superstep,
            step_id=run.path,
            kind=f"{kind}/{state['attempt']}",
            shown_hash=shown,
        ),
        thread_id=run.thread_id,
        kind=kind,
        step_id=run.path,
        name=run.step.id,
        args=args,
        args_ref=args_ref,
        description=description,
        allowed=allowed,
        shown_hash=shown,
        asked_at=team.clock.now(),
    )


async def _show(kind: str, state: StepState, run: StepRun) -> tuple[Plain, PayloadHash | None]:
    """Return what is asked about, big values shortened, and where it lies in full if one is."""
    if kind == "effect":
        return (state["question"] or {})["effect"], None
    if kind == "orphans":
        return {"effects": (state["question"] or {})["effects"]}, None
    if kind != "before_step":
        output = state.get("output") or {}
        value, reference = output.get("value"), output.get("value_ref")
        return (value if reference is None else shorten_value(value, sha256=reference)), reference
    inputs = state["assignment"]["inputs"]
    _, refs = await fold_values(inputs, run.values.keep)
    if not refs:
        return inputs, None
    shown = {name: shorten_value(inputs[name], sha256=ref) for name, ref in refs.items()}
    return {**inputs, **shown}, await run.values.keep(inputs)


def _word(
    kind: str, run: StepRun, state: StepState, *, asked: Mapping[str, Plain]
) -> tuple[str, tuple[Decision, ...]]:
    reason = str(asked.get("reason")).removesuffix(".")
    if kind == "effect":
        effect = asked["effect"]
        text = (
            f"Did {effect['call']} of step {run.path!r} happen? It was begun at "
            f"{effect['began_at'][:19].replace('T', ' ')} UTC, and then: {reason}. Look where it would show. Approve: it "
            "happened; edit: it happened and returned this; reject: it did not, and may be run "
            "again."
        )
        return text, ("approve", "edit", "reject")
    if kind == "orphans":
        calls = ", ".join(effect["call"] for effect in asked["effects"])
        text = (
            f"Step {run.path!r} ({run.step.instruction}) was accepted at attempt "
            f"{state['attempt']}, but these effects of refused attempts stand and cannot be taken "
            f"back here: {calls}. Approve: let them stand; reject: state them as a gap."
        )
        return text, ("approve", "reject")
    if kind == "before_step":
        text = (
            f"May worker {state['worker']!r} start step {run.path!r} "
            f"({run.step.instruction})? Asked because {reason}."
        )
        return text, ("approve", "edit", "reject", "respond")
    has_value = "value" in (state.get("output") or {})
    words = (
        f"Step {run.path!r} ({run.step.instruction}) was not accepted after "
        f"{state['attempt']} attempt{'s' * (state['attempt'] != 1)}: {reason}."
    )
    if has_value:
        prompt = "Let its output pass, edit it, refuse it, or tell the worker what to do?"
        allowed: tuple[Decision, ...] = ("approve", "edit", "reject", "respond")
    else:
        prompt = "Give an output yourself, give it up, or tell the worker what to do?"
        allowed = ("edit", "reject", "respond")
    return f"{words} {asked.get('prompt') or prompt}", allowed
