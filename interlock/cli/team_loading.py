"""A team from its name, `module:attribute`, on the storage that the command line names."""

import sys
from pathlib import Path

from interlock.cli.encryption_keys import read_encryption
from interlock.orchestrator import Orchestrator
from interlock.orchestrator.named_teams import find_named_team


def load_team(name: str, *, storage: str | None = None) -> Orchestrator:
    """Return the team that `module:attribute` names; the current folder is searched first.

    Args:
        name: The attribute is an `Orchestrator`, or a function without arguments that returns one.
        storage: Overrides the team's own storage.

    Raises:
        ConfigurationError: There is no such team; the message names what comes near.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return _with_storage(find_named_team(name), storage)


def _with_storage(team: Orchestrator, storage: str | None) -> Orchestrator:
    """Return a team with another storage, and with the environment's keys if it has none."""
    encryption = None
    if team.encryption is None and (storage is not None or team.is_storage_named):
        encryption = read_encryption()
    if storage is None and encryption is None:
        return team
    return team.copy_with(storage=storage, encryption=encryption)
