"""Waits until whoever started it is gone, then stops a PostgreSQL server and deletes its folder.

A process of its own, with nothing but the standard library:
`python server_keeper.py PG_CTL DATA [UID GID]`, the last two if the server is another account's.
The end of its standard input is the sign.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Wait, stop, delete."""
    control, data, *account = sys.argv[1:]
    options: dict[str, Any] = {}
    if account:
        options = {"user": int(account[0]), "group": int(account[1]), "extra_groups": ()}
    sys.stdin.buffer.read()
    if (Path(data) / "postmaster.pid").exists():
        subprocess.run(
            [control, "stop", "-m", "immediate", "-s", "-w", "-D", data],
            check=False,
            cwd=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **options,
        )
    shutil.rmtree(Path(data).parent, ignore_errors=True)


if __name__ == "__main__":
    main()
