"""A group of commands whose first word may also be a thread, which it then lists."""

from typing import Any, Final

from typer.core import TyperGroup

_IS_COMMAND: Final = f"{__name__}.is_command"


class ThreadOrCommand(TyperGroup):
    """Takes a first word that is no command for an argument of the group's own callback.

    The callback gets no parameters when a command was named. A thread that is called like a command
    is named after `--`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's, private
        """Parse either a command and what belongs to it, or all that the callback takes."""
        is_command = bool(args) and args[0] in self.commands
        ctx.meta[_IS_COMMAND] = is_command
        if not is_command:
            ctx.allow_interspersed_args = True  # options may stand behind the thread
            ctx.allow_extra_args = False  # what else stands behind it is no command
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - typer's, private
        """Return what is to be parsed: of the group itself only --help where a command was named."""
        found = super().get_params(ctx)
        if not ctx.meta.get(_IS_COMMAND):
            return found
        return [param for param in found if param not in self.params]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's, private
        """Return the words of the usage line: a thread, or a command."""
        *before, command = super().collect_usage_pieces(ctx)
        return [*before, "|", command]
