"""Input paths against what a worker's output type can hold."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field

import interlock as il
from interlock.contracts.plan_validation import find_plan_problems
from interlock.contracts.schema_paths import find_missing_part
from interlock.criteria import CriteriaEngine
from tests.integration.teams import build_plan, build_step, give


class Address(BaseModel):
    city: str
    lines: list[str] = []


class Person(BaseModel):
    name: str
    address: Address | None = None
    friends: list["Person"] = []
    notes: dict[str, Address] = {}
    pair: tuple[int, Address] = (1, Address(city="a"))
    anything: Any = None
    one_of: Address | list[int] = []
    open_object: dict[str, Any] = {}


class Order(BaseModel):
    id: int
    status: Literal["paid", "open"]
    buyer: Person
    number: str = Field(default="", alias="orderNumber")

    @computed_field
    def total(self) -> int:
        """Return a value that only the dumped form has."""
        return 1


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int


LINKED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "node": {"$ref": "#/$defs/node"},
        "odd/name": {"$ref": "#/properties/node"},
        "escaped": {"$ref": "#/properties/odd~1name"},
        "loop": {"$ref": "#/properties/loop"},
        "fixed": {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
        "either": {"type": ["object", "null"], "properties": {"a": {}}},
        "strict": {"properties": {"a": {"type": "integer"}}, "additionalProperties": False},
        "layered": {"allOf": [{"properties": {"a": {}}}], "additionalProperties": False},
    },
    "additionalProperties": False,
    "$defs": {
        "node": {"properties": {"next": {"$ref": "#/$defs/node"}, "value": {"type": "null"}}}
    },
}


def find_codes(path: str, output: Any, *, schema: dict[str, Any] | None = None) -> list[str]:
    """Return the problems of a plan whose second step reads this path of the first one's output."""
    team = {
        "read": il.Worker(name="read", agent=give(1), output=output),
        "write": il.Worker(name="write", agent=give(2)),
    }
    plan = build_plan(
        build_step("order", "read", output_schema=schema),
        build_step("draft", "write", needs=["order"], inputs={"x": path}),
    )
    found = find_plan_problems(plan, team, inspector=CriteriaEngine({}))  # type: ignore[arg-type]
    return [problem.code for problem in found]


@pytest.mark.parametrize(
    "path",
    [
        "order",
        "order.id",
        "order.total",
        "order.orderNumber",
        "order.buyer.name",
        "order.buyer.address.city",
        "order.buyer.address.lines.3",
        "order.buyer.friends.0.friends.12.name",
        "order.buyer.notes.home.city",
        "order.buyer.pair.1.city",
        "order.buyer.anything.at.all.0",
        "order.buyer.one_of.city",
        "order.buyer.one_of.0",
        "order.buyer.open_object.a.b",
    ],
)
def test_a_path_that_an_output_might_have_passes(path: str) -> None:
    """Nested, optional, listed and open parts of a class are all followed."""
    assert find_codes(path, Order) == []


@pytest.mark.parametrize(
    "path",
    [
        "order.state",
        "order.number",  # it is dumped under its alias
        "order.id.value",
        "order.status.0",
        "order.buyer.nam",
        "order.buyer.address.town",
        "order.buyer.address.lines.first",
        "order.buyer.address.lines.0.length",
        "order.buyer.friends.name",
        "order.buyer.friends.0.friends.0.nam",
        "order.buyer.notes.home.town",
        "order.buyer.pair.0.city",
        "order.buyer.pair.1.town",
        "order.buyer.one_of.town",
    ],
)
def test_a_path_that_no_output_can_have_is_refused(path: str) -> None:
    """Class, `$ref`, array and optional parts: each is looked through to its end."""
    assert find_codes(path, Order) == ["unknown_input_path"]


def test_the_message_names_what_comes_near_at_the_place_of_the_mistake() -> None:
    """A reader sees the part that is wrong, not only the path."""
    schema = Order.model_json_schema(mode="serialization")
    found = find_missing_part(schema, ["buyer", "address", "citi"], is_closed=True)
    assert found == "it has no 'citi'. Did you mean 'city'?"
    found = find_missing_part(schema, ["buyer", "friends", "name"], is_closed=True)
    assert found == "it is a list there, which has no 'name'. Use an index, such as 0."
    found = find_missing_part(schema, ["id", "value"], is_closed=True)
    assert found == "it is of type integer there, which has no 'value'."


@pytest.mark.parametrize(
    ("path", "is_fine"),
    [
        ("node.next.next.value", True),
        ("node.next.value.x", False),
        ("node.other", True),  # JSON Schema leaves further properties open
        ("odd/name.value.x", False),
        ("escaped.next.value.x", False),
        ("loop.anything", True),
        ("fixed.0", True),
        ("fixed.1", False),
        ("fixed.0.x", False),
        ("either.a.b", True),
        ("either.c", True),
        ("strict.a", True),
        ("strict.b", False),
        ("layered.b", True),
        ("absent", False),
    ],
)
def test_a_json_schema_is_followed_as_far_as_it_says(path: str, is_fine: bool) -> None:
    """References, escapes, tuples and closed objects decide; what is left open passes."""
    expected = [] if is_fine else ["unknown_input_path"]
    assert find_codes(f"order.{path}", LINKED) == expected
    assert find_codes(f"order.{path}", None, schema=LINKED) == expected


def test_an_open_class_and_an_unknown_output_rule_nothing_out() -> None:
    """Where nothing is declared, the run itself will tell."""
    assert find_codes("order.extra.part", Open) == []
    assert find_codes("order.known.part", Open) == ["unknown_input_path"]
    assert find_codes("order.any.thing", None) == []


def test_the_steps_own_schema_counts_more_than_the_workers() -> None:
    """A step may promise more, or less, than its worker does in general."""
    schema = {"properties": {"special": {}}, "additionalProperties": False}
    assert find_codes("order.special", Order, schema=schema) == []
    assert find_codes("order.id", Order, schema=schema) == ["unknown_input_path"]


@pytest.mark.parametrize(
    "schema", [True, False, {}, {"type": []}, {"$ref": "elsewhere"}, {"$ref": "#/a"}]
)
def test_a_schema_that_says_nothing_lets_every_path_pass(schema: Any) -> None:
    """Only what is surely impossible is refused."""
    assert find_missing_part(schema, ["a", "0"], is_closed=True) is None


def test_a_broken_schema_is_told_once_and_stops_nothing() -> None:
    """What is no schema cannot be searched; that it is none is the problem."""
    assert find_codes("order.a", None, schema={"type": 5, "prefixItems": 3}) == ["bad_schema"]
