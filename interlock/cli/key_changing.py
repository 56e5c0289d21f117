"""Making a key, sealing a database, and sealing it anew with another key."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeAlias

from rich.text import Text

from interlock.checkpoints.database_kinds import require_cryptography
from interlock.checkpoints.sealing.sealing_state import Resealed
from interlock.cli.command_lines import CommandLines
from interlock.cli.encryption_keys import VARIABLE
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import find_database
from interlock.console.clean_text import count_of
from interlock.contracts.clock import SystemClock
from interlock.contracts.encryption import KEY_BYTES, Encryption, dump_encryption_key
from interlock.contracts.errors import ConfigurationError

Change: TypeAlias = Callable[[str, Encryption], AsyncGenerator[Resealed]]


def show_new_key(output: Output, *, key_id: str | None) -> int:
    """Print a fresh key, and nothing else, so that a shell can take it."""
    chosen = key_id if key_id is not None else SystemClock().now().date().isoformat()
    line = dump_encryption_key(chosen, secrets.token_bytes(KEY_BYTES))
    output.show(Text(line), data={"id": chosen, "key": line})
    return ExitCode.COMPLETED


def rotate_keys(output: Output, *, commands: CommandLines) -> int:
    """Seal every value anew with the first key."""
    require_cryptography()
    from interlock.checkpoints.sealing.key_changes import rotate_storage  # noqa: PLC0415 - an extra

    return _change(output, commands, rotate_storage, words="All values are sealed with the key")


def seal_values(output: Output, *, commands: CommandLines) -> int:
    """Turn a plain database into a sealed one."""
    require_cryptography()
    from interlock.checkpoints.sealing.key_changes import seal_storage  # noqa: PLC0415 - an extra

    return _change(output, commands, seal_storage, words="The database is sealed with the key")


def _change(output: Output, commands: CommandLines, change: Change, *, words: str) -> int:
    url, encryption = find_database(commands)
    if encryption is None:
        raise ConfigurationError(
            f"No encryption keys were given. Put them into {VARIABLE}, the one to seal with first; "
            "`interlock keys new` prints a fresh one."
        )
    counts = asyncio.run(_follow(output, change(url, encryption)))
    total = sum(counts.values())
    page = Text(f"{words} {encryption.active!r}; {count_of(total, 'value')} changed.")
    output.show(page, data={"key": encryption.active, "changed": dict(counts)})
    return ExitCode.COMPLETED


async def _follow(output: Output, pages: AsyncGenerator[Resealed]) -> Counter[str]:
    """Go through the pages; on a terminal, tell how far it has come."""
    counts: Counter[str] = Counter()
    async with aclosing(pages):
        async for page in pages:
            name = f"{page.table}.{page.column}"
            if output.is_live and name not in counts:
                output.complain(f"Sealing {name} ...")
            counts[name] += page.count
    return counts
