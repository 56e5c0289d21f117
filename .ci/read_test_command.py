"""Print the README's test command: the shell block behind the mark `<!-- tests -->`."""

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"^<!-- tests -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Print the command, or say what is wrong with the README."""
    found = BLOCK.findall(README.read_text("utf-8"))
    if len(found) != 1 or not found[0].strip():
        sys.stderr.write(
            f"{README} has {len(found)} blocks of shell code behind <!-- tests -->; write one.\n"
        )
        return 1
    sys.stdout.write(found[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
