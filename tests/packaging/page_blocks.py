"""Fenced code blocks of Markdown pages, and the marks that stand before them.

`<!-- file: NAME -->` before a block makes it a file that the page's other blocks find in their
folder. A `text` block right after a `python` block is what that prints.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: Where it stands.
        line: Of its opening fence, from 1.
        language: As the fence names it.
        code: Its text.
        file: The name of the file that it is, if it is one.
        printed: What it prints, where the page says so.
    """

    page: Path
    line: int
    language: str
    code: str
    file: str | None
    printed: str | None

    def __str__(self) -> str:
        """Name page and line, for a test's id."""
        return f"{self.page.name}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in order, printed text joined to what prints it."""
    text = page.read_text("utf-8")
    found = list(_FENCE.finditer(text))
    blocks = []
    for index, match in enumerate(found):
        following = found[index + 1] if index + 1 < len(found) else None
        is_followed = (
            following is not None
            and following["language"] == "text"
            and not text[match.end() : following.start()].strip()
        )
        mark = match["mark"] or ""
        blocks.append(
            Block(
                page=page,
                line=text.count("\n", 0, match.start("language")) + 1,
                language=match["language"],
                code=match["code"],
                file=mark.removeprefix("file: ") if mark.startswith("file: ") else None,
                printed=following["code"] if following is not None and is_followed else None,
            )
        )
    return blocks
