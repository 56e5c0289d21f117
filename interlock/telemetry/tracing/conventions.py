"""What spans, attributes and buckets are called: OpenTelemetry's GenAI conventions where they have a word.

The conventions are of the repository `open-telemetry/semantic-conventions-genai`, status Development:
their names may still change. All else is under `interlock.`.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry.trace import SpanKind

from interlock.telemetry.spans import Stage

OPERATION: Final = "gen_ai.operation.name"
CONVERSATION: Final = "gen_ai.conversation.id"
ERROR_TYPE: Final = "error.type"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - a kind of count

OPERATIONS: Final[Mapping[Stage, str]] = {
    "run": "invoke_workflow",
    "plan": "plan",
    "work": "invoke_agent",
    "model": "chat",
    "tool": "execute_tool",
}
"""The stages that have a GenAI operation; the others are called by their own words."""

KINDS: Final[Mapping[Stage, SpanKind]] = {"model": SpanKind.CLIENT}
"""All other stages are internal."""

_ATTRIBUTES: Final[Mapping[str, str]] = {
    "thread": "interlock.thread.id",
    "step": "interlock.step.path",
    "agent": "gen_ai.agent.name",
    "agent_description": "gen_ai.agent.description",
    "model": "gen_ai.request.model",
    "provider": "gen_ai.provider.name",
    "max_tokens": "gen_ai.request.max_tokens",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "tool": "gen_ai.tool.name",
    "tool_type": "gen_ai.tool.type",
    "workflow": "gen_ai.workflow.name",
    "evaluation": "gen_ai.evaluation.name",
    "evaluation_label": "gen_ai.evaluation.score.label",
    "question": "interlock.question.id",
    "is_resumed": "interlock.resumed",
    "is_continued": "interlock.continued",
    "response_model": "gen_ai.response.model",
}

_CONTENT: Final[Mapping[tuple[Stage, str], str]] = {
    ("model", "input"): "gen_ai.input.messages",
    ("model", "output"): "gen_ai.output.messages",
    ("tool", "input"): "gen_ai.tool.call.arguments",
    ("tool", "output"): "gen_ai.tool.call.result",
}

_PROVIDERS: Final[Mapping[str, str]] = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""LangChain's name of a provider to that of the conventions, where they differ."""

_EVENTS: Final[Mapping[str, str]] = {"finding": "gen_ai.evaluation.result"}

OPERATION_BUCKETS: Final = tuple(0.01 * 2**n for n in range(14))
AGENT_BUCKETS: Final = tuple(0.1 * 2**n for n in range(13))
WORKFLOW_BUCKETS: Final = (1.0, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
TOKEN_BUCKETS: Final = tuple(float(4**n) for n in range(14))
STAGE_BUCKETS: Final = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200)
PERSON_BUCKETS: Final = (10.0, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 259_200, 604_800)


def name_span(stage: Stage, name: str) -> str:
    """Return what a span is called."""
    word = OPERATIONS.get(stage, stage)
    return f"{word} {name}" if name else word


def name_attribute(fact: str) -> str:
    """Return the attribute that a fact is told in."""
    return _ATTRIBUTES.get(fact, f"interlock.{fact}")


def name_event(what: str) -> str:
    """Return what an event is called."""
    return _EVENTS.get(what, f"interlock.{what}")


def name_content(stage: Stage, what: str) -> str:
    """Return the attribute that content is shown in."""
    return _CONTENT.get((stage, what), f"interlock.{what}")


def name_provider(known_as: str) -> str:
    """Return what the conventions call a provider of models that LangChain knows by another name."""
    return _PROVIDERS.get(known_as, known_as)
