"""A command line on a terminal: never broken and never cut, so that it can be copied."""

from rich.text import Text


def draw_command(line: str, *, indent: int = 2) -> Text:
    """Return a command line as a text that the terminal itself wraps.

    Args:
        line: Printable characters only. It is shown as it is: a blank may matter.
        indent: Blanks before it.
    """
    return Text(f"{' ' * indent}{line}", no_wrap=True, overflow="ignore")
