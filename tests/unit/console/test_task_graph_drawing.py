"""Task graphs as Mermaid text."""

import textwrap

import interlock as il
from interlock.console.task_graph_drawing import draw_task_graph
from tests.integration.teams import build_plan, build_step


def test_a_plan_is_drawn_with_its_needs() -> None:
    """Plain arrows for needs, dotted ones where a degraded result will do."""
    plan = build_plan(
        build_step("order", "records", instruction="Find it"),
        build_step(
            "reply",
            "clerk",
            instruction="Answer",
            needs=["order", il.Need(step="photo", accept_degraded=True)],
        ),
        build_step("photo", "records", instruction="Look"),
    )
    assert draw_task_graph(plan) == textwrap.dedent(
        """\
        flowchart TD
            s0["<b>order</b><br/>records<br/>Find it"]
            s1["<b>reply</b><br/>clerk<br/>Answer"]
            s2["<b>photo</b><br/>records<br/>Look"]
            s0 --> s1
            s2 -.-> s1
        """
    )


def test_an_unknown_need_is_drawn_as_unknown() -> None:
    """A plan that cannot run can still be looked at."""
    drawn = draw_task_graph(
        build_plan(build_step("end", needs=["gone"]), build_step("x", needs=["gone"]))
    )
    assert drawn.count("gone is unknown") == 1
    assert "u0 --> s0" in drawn
    assert "u0 --> s1" in drawn
    assert "classDef unknown" in drawn


def test_no_instruction_can_break_the_drawing() -> None:
    """Whatever could be read as Mermaid's or HTML's syntax becomes an entity code."""
    drawn = draw_task_graph(
        build_plan(build_step("end", instruction='"]; click s0 "javascript:alert(1)" <b>\n%%'))
    )
    (line,) = [line for line in drawn.splitlines() if "s0[" in line]
    inside = line.removeprefix('    s0["').removesuffix('"]')
    assert "#34;#93;; click s0 #34;javascript:alert#40;1#41;#34; #60;b#62; #37;#37;" in inside
    assert '"' not in inside
    assert drawn.count("\n") == 2
