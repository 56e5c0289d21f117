"""Output types: pydantic classes and JSON Schemas, with the place that is wrong."""

import json
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, field_validator

import interlock as il
from interlock.contracts.plain import parse_plain
from interlock.criteria.json_schemas import find_schema_problem, find_value_problem, review_schema
from tests.integration.teams import build_step, give
from tests.unit.criteria.briefs import review


class Colour(Enum):
    RED = "red"


class Item(BaseModel):
    name: str
    cents: int


class Order(BaseModel):
    number: int = Field(alias="orderNumber")
    items: list[Item]
    at: datetime
    day: date
    price: Decimal
    share: float
    colour: Colour
    tags: set[str] = set()
    by_row: dict[int, Item] = {}
    key: UUID = UUID(int=1)
    pair: tuple[int, str] = (1, "a")


class Fussy(BaseModel):
    value: Any

    @field_validator("value")
    @classmethod
    def look(cls, value: Any) -> Any:
        """Fail in a way that pydantic does not wrap."""
        return {"known": value}[value]


ORDER = Order(
    orderNumber=17,
    items=[Item(name="a", cents=1)],
    at=datetime(2026, 1, 2, tzinfo=UTC),
    day=date(2026, 1, 2),
    price=Decimal("1.50"),
    share=1,
    colour=Colour.RED,
    tags={"x"},
    by_row={1: Item(name="b", cents=2)},
)


async def test_what_a_class_dumps_to_is_of_the_class() -> None:
    """A worker that returns an instance is accepted, aliases, times, sets and all."""
    (finding,) = await review(parse_plain(ORDER), worker_output=Order)
    assert finding.passed, finding.message
    assert finding.criterion.startswith("is a Order with number, items")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"orderNumber": "17"}, "output.orderNumber: Input should be a valid integer, saw '17'"),
        ({"items": [{"name": "a", "cents": "1"}]}, "output.items.0.cents: "),
        ({"items": None}, "output.items: Input should be a valid array, saw None"),
        ({"colour": "blue"}, "output.colour: "),
        ({"at": "yesterday"}, "output.at: "),
        ({"pair": [1]}, "output.pair.1: Field required"),
    ],
)
async def test_what_is_not_of_the_class_is_told_with_its_place(
    change: dict[str, Any], words: str
) -> None:
    """Strict: a text that looks like a number is not one, since dependents get it as it is."""
    (finding,) = await review({**parse_plain(ORDER), **change}, worker_output=Order)
    assert not finding.passed
    assert finding.message.startswith(words)


@pytest.mark.parametrize("output", [None, [], "text", 3, {}])
async def test_another_shape_altogether_is_a_failed_finding(output: Any) -> None:
    """A worker that answers garbage is refused, and told what was asked."""
    (finding,) = await review(output, worker_output=Order)
    assert not finding.passed
    assert finding.message.startswith("output")


async def test_a_validator_that_breaks_is_a_failed_finding() -> None:
    """A class whose own code raises decides nothing, and never ends the run."""
    (finding,) = await review({"value": "other"}, worker_output=Fussy)
    assert finding.message == "could not be decided: Fussy raised KeyError: 'other'"


@pytest.mark.parametrize(
    ("schema", "value", "place"),
    [
        ({"type": "string"}, 1, "output"),
        ({"required": ["a"]}, {}, "output"),
        ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "x"]}, "output.a[1]"),
        ({"properties": {"a b": {"const": 1}}}, {"a b": 2}, "output['a b']"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"maximum": 3}}}, 4, "output"),
        ({"additionalProperties": False}, {"x": 1}, "output"),
    ],
)
async def test_a_schema_names_the_place_that_is_wrong(
    schema: dict[str, Any], value: Any, place: str
) -> None:
    """As a criterion, as a step's output schema and as a worker's: the same finding."""
    findings = [
        *await review(value, il.schema(schema)),
        *await review(value, output_schema=schema),
        *await review(value, worker_output=schema),
    ]
    assert len(findings) == 3
    for finding in findings:
        assert not finding.passed
        assert finding.message.startswith(f"{place}: ")
        assert list(finding.evidence) == [place]
    assert find_value_problem(value, schema) == findings[0].message


async def test_without_its_type_an_output_is_not_asked_further() -> None:
    """Criteria count on the type; when it is not given they are left out, not failed."""
    findings = await review(
        {"n": "x"},
        il.expr("output.n > 1"),
        output_schema={"properties": {"n": {"type": "integer"}}},
    )
    assert [finding.criterion for finding in findings] == ["has the step's output schema"]


async def test_every_criterion_gives_one_finding_in_plan_order() -> None:
    """Types first, then what code decides, failed ones not hiding the next; judges are saved."""
    findings = await review(
        2,
        il.expr("output > 2"),
        il.schema({"type": "integer"}),
        il.check("no"),
        il.rubric("Is kind"),
        checks={"no": lambda output, brief: False},
        worker_output={"title": "Number", "type": "number"},
    )
    assert [(finding.criterion, finding.passed) for finding in findings] == [
        ("matches the schema Number", True),
        ("output > 2 is true", False),
        ("matches the given JSON schema", True),
        ("passes the check no", False),
    ]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "strin"}, "is not a JSON Schema"),
        ({"pattern": "["}, "is not a 'regex' at $.pattern"),
        ({"required": "a"}, "at $.required"),
        ({"const": {1, 2}}, "is not JSON"),
        ({"properties": {"a": {"$ref": "#/$defs/A"}}}, "refers to '#/$defs/A'"),
        (
            {"items": {"$ref": "https://example.com/s.json"}},
            "refers to 'https://example.com/s.json'",
        ),
    ],
)
def test_a_schema_that_decides_nothing_is_told(schema: dict[str, Any], words: str) -> None:
    """What is no schema, or leads nowhere, is found by looking; reviewing it fails, not raises."""
    problem = find_schema_problem(schema)
    assert problem is not None
    assert words in problem
    assert not review_schema({"a": [1]}, schema).passed or "items" in schema
    with pytest.raises(il.ConfigurationError, match="output schema of worker 'w'"):
        il.Orchestrator(
            workers=[il.Worker(name="w", agent=give(1), output=schema)],
            planner=il.TaskGraph(goal="Test", steps=[build_step("s", "w")]),
        )


@pytest.mark.parametrize(
    "schema",
    [{}, {"$defs": {"A": True}, "$ref": "#/$defs/A"}, {"$ref": "#"}, Order.model_json_schema()],
)
def test_a_schema_whose_references_lead_somewhere_is_fine(schema: dict[str, Any]) -> None:
    """Local references, to itself too, are what pydantic writes."""
    assert find_schema_problem(schema) is None


def test_a_schema_that_never_ends_cannot_be_decided() -> None:
    """A reference to itself is a failed finding, not an endless loop."""
    finding = review_schema(1, {"$ref": "#"})
    assert finding.message.startswith("could not be decided: ")


def test_a_reference_is_never_fetched() -> None:
    """A schema written by a model opens no connection."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with a schema that lets everything pass."""
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({}).encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        finding = review_schema(1, {"$ref": f"http://127.0.0.1:{server.server_port}/s.json"})
        server.shutdown()
    assert not finding.passed
    assert asked == []
