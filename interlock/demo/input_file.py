"""JSON files that a person hands in, and the error that says what is wrong with one.

Called by the ticket reader and by the shop when it is first filled.
"""

import json
from pathlib import Path
from typing import Any, NoReturn

from interlock.contracts.errors import PermanentError


class InputFileError(PermanentError):
    """A file that cannot be used; nothing was changed."""

    path: str
    seen: str
    remedy: str

    def __init__(self, *, path: str, seen: str, remedy: str) -> None:
        """Name the file, what was seen in it and what to do."""
        super().__init__(path=path, seen=seen, remedy=remedy)

    def __str__(self) -> str:
        """Say which file, what was seen and what to do."""
        return f"The file {self.path} cannot be used: {self.seen}. {self.remedy}"


def load_json_file(path: Path, *, remedy: str) -> Any:  # noqa: ANN401 - what JSON holds
    """Return what a JSON file holds.

    Args:
        path: The file, in UTF-8.
        remedy: What to do if it is not such a file, as a sentence.

    Raises:
        InputFileError: It is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as exc:
        raise InputFileError(path=str(path), seen="there is no such file", remedy=remedy) from exc
    except OSError as exc:
        seen = f"reading it failed ({exc.strerror})"
        raise InputFileError(path=str(path), seen=seen, remedy=remedy) from exc
    except (ValueError, RecursionError) as exc:
        seen = f"it is not JSON in UTF-8 ({exc})"
        raise InputFileError(path=str(path), seen=seen, remedy=remedy) from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
