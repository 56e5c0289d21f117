"""A plan for a person: its versions, one a line, and the shown one as a task graph in YAML."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from interlock.console.clean_text import clean_lines, clean_text, count_of
from interlock.contracts.plan_version import PlanVersion


def draw_plan_version(
    shown: PlanVersion, versions: Sequence[PlanVersion], *, text: str
) -> RenderableType:
    """Return a page that can be used as a plan's file: what is no plan stands behind `#`.

    Args:
        shown: The version that is shown.
        versions: All there are, oldest first.
        text: The shown one as YAML.
    """
    return Group(
        *(_keep_whole(line, style="dim") for line in _list_heads(shown, versions)),
        *(_keep_whole(line) for line in clean_lines(text)),
    )


def _keep_whole(line: str, *, style: str = "") -> Text:
    """Return a line that is never wrapped: a second line would be another one of the file."""
    return Text(line, style=style, no_wrap=True, overflow="ignore")


def _list_heads(shown: PlanVersion, versions: Sequence[PlanVersion]) -> Iterator[str]:
    for one in versions:
        why = f": {clean_text(one.why)}" if one.why else ""
        mark = "  (below)" if one is shown and len(versions) > 1 else ""
        steps = count_of(len(one.plan.steps), "step")
        yield (
            f"# version {one.plan.version} by {_word_author(one)}, {one.at:%Y-%m-%d %H:%M:%S}, "
            f"{steps}{why}{mark}"
        )


def _word_author(version: PlanVersion) -> str:
    """Return who brought a version; of a model planner, its model and its prompt."""
    said = ", ".join(clean_text(words) for words in version.planned_by.values())
    return f"{clean_text(version.by)} ({said})" if said else clean_text(version.by)
