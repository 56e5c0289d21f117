"""Recorded handoffs in tests: what `interlock export` writes calls these two."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from interlock.contracts.criteria import Criterion
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.replay import Recording, Replay
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator
from interlock.orchestrator.named_teams import find_named_team, find_named_worker


def load_recording(source: Mapping[str, Any] | str | Path) -> Recording:
    """Return a recorded attempt.

    Args:
        source: What `interlock export` wrote: its data, or the path of a JSON file.

    Raises:
        ConfigurationError: The file cannot be read.
        ValidationError: It is no recording.
    """
    if isinstance(source, Mapping):
        return Recording.model_validate(dict(source))
    try:
        held = json.loads(Path(source).read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"The recording {str(source)!r} cannot be read: {exc}") from exc
    return Recording.model_validate(held)


def replay_recording(
    recording: Recording,
    team: Orchestrator | str,
    *,
    worker: Worker | str | None = None,
    criteria: Sequence[Criterion] | None = None,
) -> Replay:
    """Work on a recorded brief once more and judge what comes of it; for tests that are not async.

    Nothing is stored or changed. Async tests call `await team.areplay_recording(...)`.

    Args:
        recording: The attempt.
        team: Whose worker works; by name as module:attribute, looked for in the current folder first.
        worker: Another worker, by name in the team or as module:attribute; or `"recorded"`: the
            recorded output is judged anew.
        criteria: In the place of the step's own.

    Raises:
        ConfigurationError: There is no such team, or it cannot work on the brief.
    """
    if isinstance(team, str):
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        team = find_named_team(team)
    if isinstance(worker, str):
        worker = find_named_worker(worker)
    return asyncio.run(team.areplay_recording(recording, worker=worker, criteria=criteria))
