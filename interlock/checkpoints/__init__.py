"""Storage: everything that talks to a database, and the types a checkpoint may revive."""

from interlock.checkpoints.revivable import REVIVABLE
from interlock.checkpoints.saver import Saver
from interlock.checkpoints.storage import SqlStorage, open_storage
from interlock.checkpoints.strict_msgpack import require_strict_msgpack
from interlock.checkpoints.write_hook import WriteHook

__all__ = [
    "REVIVABLE",
    "Saver",
    "SqlStorage",
    "WriteHook",
    "open_storage",
    "require_strict_msgpack",
]
