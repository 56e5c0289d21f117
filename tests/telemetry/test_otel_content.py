"""Content: off unless it is asked for, redacted first, bounded, and clean whatever it is."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.tools import tool
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

import interlock as il
from interlock.telemetry.spans import Telemetry
from interlock.testing import ScriptedModel
from tests.telemetry.traces import Watched, read

SECRET = "card 4111-1111-1111-1111"


@tool
async def charge(card: str) -> str:
    """Charge a card."""
    return f"charged {card}"


async def pay(brief: il.Brief) -> dict[str, object]:
    """Have a model, a tool and an output that all know the secret; fail at first, saying it."""
    await ScriptedModel(SECRET).ainvoke(f"Charge {SECRET}")
    await charge.ainvoke({"card": SECRET})
    if brief.attempt == 1:
        raise ValueError(SECRET)
    return {"receipt": SECRET}


async def run(telemetry: Telemetry, *, agent: Any = pay, goal: str = "g") -> il.RunResult:
    """Run a team of one step once."""
    fields = {
        "id": "pay",
        "worker": "pay",
        "instruction": f"Charge {SECRET}",
        "criteria": [il.expr("size(output.receipt) > 0")],
        "retry": {"max_attempts": 2, "backoff": 0},
        "fallback": [il.skip(gap="not paid")],
    }
    desk = il.Orchestrator(
        workers=[il.Worker(name="pay", agent=agent)],
        planner=il.TaskGraph(goal=goal, steps=[il.Step.model_validate(fields)]),
        storage="memory://",
        telemetry=telemetry,
    )
    async with desk:
        return await desk.ainvoke(goal, thread_id="t")


def dump_all(spans: Sequence[ReadableSpan]) -> str:
    """Return all that spans say, events and statuses too."""
    return "\n".join(str(span.to_json()) for span in spans)


async def test_no_content_unless_it_is_asked_for() -> None:
    """Brief, prompt, answer, arguments, output, goal and words of errors are in no span."""
    watched = Watched()
    result = await run(watched.build(), goal=f"Refund {SECRET}")
    assert result.status == "completed"
    assert "4111-1111" not in dump_all(watched.spans)


async def test_content_is_where_the_conventions_have_it() -> None:
    """Asked for, messages, arguments and results stand in the attributes that the conventions name."""
    watched = Watched()
    await run(watched.build(content="on"))
    chat = read(watched.find_all("chat scripted")[0])
    assert json.loads(chat["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": f"Charge {SECRET}"}]}
    ]
    assert json.loads(chat["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": SECRET}]}
    ]
    charged = read(watched.find_all("execute_tool charge")[0])
    assert json.loads(charged["gen_ai.tool.call.arguments"]) == {"card": SECRET}
    assert charged["gen_ai.tool.call.result"] == f"charged {SECRET}"
    first, second = (read(span) for span in watched.find_all("invoke_agent pay"))
    assert json.loads(second["interlock.brief"])["instruction"] == f"Charge {SECRET}"
    assert SECRET in first["interlock.error"]
    assert json.loads(second["interlock.output"]) == {"receipt": SECRET}


async def test_redaction_sees_all_content_first() -> None:
    """The hook is asked about every content by its attribute's name; what it gives back is shown."""
    watched, seen = Watched(), set[str]()

    def redact(attribute: str, content: object) -> object:
        seen.add(attribute)
        return None if attribute == "interlock.brief" else "***"

    await run(watched.build(content="on", redact=redact))
    assert "4111-1111" not in dump_all(watched.spans)
    assert seen >= {"gen_ai.input.messages", "gen_ai.output.messages", "interlock.brief"}
    assert seen >= {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "interlock.output"}
    assert read(watched.find_all("chat scripted")[0])["gen_ai.input.messages"] == "***"
    assert "interlock.brief" not in read(watched.find_all("invoke_agent pay")[0])


async def test_a_hook_that_raises_lets_nothing_pass() -> None:
    """Content that could not be redacted is left out, and the run goes on."""
    watched = Watched()

    def redact(attribute: str, content: object) -> object:
        raise RuntimeError(content)

    assert (await run(watched.build(content="on", redact=redact))).status == "completed"
    assert "4111-1111" not in dump_all(watched.spans)
    shown = read(watched.find_all("chat scripted")[0])["gen_ai.input.messages"]
    assert shown == "[left out: the redaction hook failed]"


async def test_content_is_bounded() -> None:
    """An output of a megabyte costs a span no more than the limit, and says how long it was."""
    watched = Watched()

    async def pay(brief: il.Brief) -> dict[str, object]:
        return {"receipt": "x" * 1_000_000}

    await run(watched.build(content="on", max_content_chars=100), agent=pay)
    shown = read(watched.find("invoke_agent pay"))["interlock.output"]
    assert shown == '{"receipt": "' + "x" * 87 + "... [1000015 characters]"


async def test_whatever_it_is_can_be_exported() -> None:
    """Lone surrogates in prompts, answers, arguments and errors reach OTLP's encoder as clean text."""
    watched, nasty = Watched(), "\ud800\x00\x1b[2J\u202e</script>"

    @tool
    async def look(place: str) -> str:
        """Look."""
        return f"{place}{nasty}"

    async def pay(brief: il.Brief) -> dict[str, object]:
        await ScriptedModel(f"x{nasty}").ainvoke(nasty)
        await look.ainvoke({"place": nasty})
        raise type(f"Odd{nasty}", (Exception,), {})(nasty)

    result = await run(watched.build(content="on"), agent=pay, goal="g\x00\u202e")
    assert result.status == "degraded"
    encoded = encode_spans(watched.spans).SerializeToString()
    assert encoded.decode(errors="ignore").count("[2J") > 4


async def test_numbers_beyond_64_bits_can_be_exported() -> None:
    """A count that no encoder can hold is told as text."""
    watched = Watched()
    span = watched.build().open("model", "m", facts={"input_tokens": 10**30})
    span.mark("odd", tokens=-(10**30))
    span.end()
    encode_spans(watched.spans)
    assert read(watched.find("chat m"))["gen_ai.usage.input_tokens"] == str(10**30)


class Broken(SpanProcessor):
    """A processor that fails at everything."""

    def on_start(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("on_start")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("on_end")


async def test_a_broken_processor_stops_no_run(
    breaks_telemetry: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Telemetry that raises wherever it is called is logged, and the run completes."""
    watched = Watched()
    watched.tracers.add_span_processor(Broken())
    assert (await run(watched.build())).status == "completed"
    assert "on_start" in caplog.text


def test_content_is_on_or_off() -> None:
    """Anything else is refused, with what to write."""
    with pytest.raises(il.ConfigurationError, match="'on'"):
        il.OpenTelemetry(content="yes")  # type: ignore[arg-type]


def test_what_is_no_scalar_is_told_as_text() -> None:
    """No exporter drops a span for an attribute that it cannot encode."""
    watched = Watched()
    span = watched.build().open("step", "s", facts={"thread": "t", "step": "s"})
    span.tell(odd=object)  # type: ignore[arg-type]
    span.end()
    assert read(watched.find("step s"))["interlock.odd"] == "<class 'object'>"
