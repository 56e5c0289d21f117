"""How a step's state lies in LangGraph's channels: four of them, not one a field.

LangGraph copies, versions, serialises and stores every channel at every superstep, so the
small fields travel together. The nodes work on the flat `StepState`; the wiring wraps each with
`on_channels`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from typing_extensions import TypedDict

from interlock.nodes.step_state import StepState

_OWN_CHANNELS = ("assignment", "output", "outcome")


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


def unpack_state(channels: StepChannels) -> StepState:
    """Return the flat state that the nodes work on."""
    own = {name: channels[name] for name in _OWN_CHANNELS if name in channels}  # type: ignore[literal-required]
    return cast(StepState, {**channels.get("progress", {}), **own})


def pack_update(channels: StepChannels, update: StepState) -> StepChannels:
    """Return the channels that an update changes."""
    changed: dict[str, Any] = dict(update)
    packed: dict[str, Any] = {name: changed.pop(name) for name in _OWN_CHANNELS if name in changed}
    if changed:
        packed["progress"] = {**channels.get("progress", {}), **changed}
    return cast(StepChannels, packed)


def on_channels(
    node: Callable[[StepState], Awaitable[StepState]],
) -> Callable[[StepChannels], Awaitable[StepChannels]]:
    """Return a node on channels that does what a node on the flat state does."""

    async def run(channels: StepChannels) -> StepChannels:
        return pack_update(channels, await node(unpack_state(channels)))

    return run
