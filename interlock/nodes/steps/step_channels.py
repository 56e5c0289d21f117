"""How a step's state lies in LangGraph's channels: four of them, not one a field.

LangGraph copies, versions, serialises and stores every channel at every superstep, so the
small fields travel together, and big values by reference. The nodes work on the flat `StepState`
with all values in their places; the wiring wraps each with `on_channels`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from typing_extensions import TypedDict

from interlock.contracts.big_values import is_big
from interlock.contracts.plain import Plain
from interlock.nodes.run.kept_values import KeptValues, fold_values, unfold_values
from interlock.nodes.steps.step_run import get_step_run
from interlock.nodes.steps.step_state import StepState

_OWN_CHANNELS = ("assignment", "output", "outcome")
_FOLDED = ("inputs", "context")


class StepChannels(TypedDict, total=False):
    """A step's channels.

    Attributes:
        assignment: What dispatch handed in; written once, and when a person edits it.
        progress: Everything small: attempt, worker, route, feedback, verdict and so on.
        output: What the worker's last attempt gave.
        outcome: How the step settled, at the end.
    """

    assignment: dict[str, Any]
    progress: dict[str, Any]
    output: dict[str, Any] | None
    outcome: dict[str, Any] | None


async def unpack_state(channels: StepChannels, values: KeptValues) -> StepState:
    """Return the flat state that the nodes work on."""
    held: dict[str, Any] = dict(channels)
    own = {name: held[name] for name in _OWN_CHANNELS if name in held}
    assignment: dict[str, Any] = own["assignment"]
    if "refs" in assignment:
        own["assignment"] = {
            **assignment,
            **{
                part: await unfold_values(assignment[part], assignment["refs"][part], values.load)
                for part in _FOLDED
            },
        }
    output = own.get("output")
    if output is not None and "value_ref" in output:
        own["output"] = {**output, "value": await values.load(output["value_ref"])}
    return cast(StepState, {**channels.get("progress", {}), **own})


async def pack_update(
    channels: StepChannels, update: StepState, values: KeptValues
) -> StepChannels:
    """Return the channels that an update changes."""
    changed: dict[str, Any] = dict(update)
    packed: dict[str, Any] = {name: changed.pop(name) for name in _OWN_CHANNELS if name in changed}
    if "output" in packed:
        before = channels.get("output") or {}
        packed["output"] = await fold_output(packed["output"], values)
        if "value_ref" in before:
            values.drop(before["value_ref"])
    if "assignment" in packed:
        packed["assignment"] = await _fold_assignment(packed["assignment"], values)
    if changed:
        packed["progress"] = {**channels.get("progress", {}), **changed}
    return cast(StepChannels, packed)


async def fold_output(output: dict[str, Any] | None, values: KeptValues) -> dict[str, Any] | None:
    """Return an output's envelope with the hash of its value instead of the value, if it is big."""
    if output is None or "value" not in output:
        return output
    reference = output.get("value_ref")
    if reference is None:
        if not is_big(output["value"]):
            return output
        reference = await values.keep(output["value"])
    rest: dict[str, Plain] = {key: item for key, item in output.items() if key != "value"}
    return {**rest, "value_ref": reference}


async def _fold_assignment(assignment: dict[str, Any], values: KeptValues) -> dict[str, Any]:
    """Return an edited assignment with the hashes of its big values instead of them."""
    refs: dict[str, Any] = {}
    folded = dict(assignment)
    for part in _FOLDED:
        folded[part], refs[part] = await fold_values(assignment[part], values.keep)
    return {**folded, "refs": refs}


def on_channels(
    node: Callable[[StepState], Awaitable[StepState]],
) -> Callable[[StepChannels], Awaitable[StepChannels]]:
    """Return a node on channels that does what a node on the flat state does."""

    async def run(channels: StepChannels) -> StepChannels:
        values = get_step_run().values
        state = await unpack_state(channels, values)
        return await pack_update(channels, await node(state), values)

    return run
