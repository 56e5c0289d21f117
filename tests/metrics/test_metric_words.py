"""docs/metrics.md and what is counted name the same things (I12)."""

import re
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel

import interlock as il
from interlock.console.metrics_page import TABLES
from interlock.telemetry.metrics import tables

DOCS: Final = Path(__file__).parents[2] / "docs" / "metrics.md"
SECTIONS: Final = {
    "Runs": tables.RunMetrics,
    "Steps": tables.StepMetrics,
    "Workers": tables.WorkerMetrics,
    "Validators": tables.CriterionMetrics,
    "Handoffs": tables.EdgeMetrics,
    "People": tables.QuestionMetrics,
    "Effects": tables.EffectMetrics,
    "Models": tables.ModelMetrics,
    "Fallbacks": tables.FallbackMetrics,
    "Faults": tables.FaultMetrics,
}
"""Headings of the page, and whose fields are defined below each."""

CODE: Final = re.compile(r"`([a-z_0-9]+)`")


def read_sections() -> dict[str, str]:
    """Return the text below each heading, by the heading's first words."""
    parts = re.split(r"^## ", DOCS.read_text("utf-8"), flags=re.MULTILINE)
    return {re.split(r" \(|\n", part)[0]: part for part in parts}


def read_intro() -> set[str]:
    """Return the words that the page says of all tables."""
    return set(CODE.findall(read_sections()["# Metrics"]))


@pytest.mark.parametrize("heading", sorted(SECTIONS))
def test_every_field_is_defined_where_its_table_is(heading: str) -> None:
    """A number that `--json` prints is explained in the section of its table."""
    words = set(CODE.findall(read_sections()[heading])) | read_intro()
    assert not set(SECTIONS[heading].model_fields) - words


def test_every_stage_is_a_row_of_the_table_of_stages() -> None:
    """Each part of a step's life has one line that says from when to when it is."""
    rows = re.findall(r"^\| `([a-z]+)` \|", read_sections()["Handoffs"], flags=re.MULTILINE)
    parts = [name.removesuffix("_us") for name in tables.StageTimes.model_fields]
    assert rows == [part for part in parts if part != "life"]
    assert set(tables.StageMetrics.model_fields) <= set(CODE.findall(read_sections()["Handoffs"]))


@pytest.mark.parametrize(
    ("heading", "model"),
    [("Steps", tables.StepMetrics), ("Where a fault went", il.FaultTrail)],
)
def test_a_defined_field_exists(heading: str, model: type[BaseModel]) -> None:
    """The page defines nothing that is not counted."""
    first_cells = re.findall(r"^\| (`[^|]+) \|", read_sections()[heading], flags=re.MULTILINE)
    defined = {name for cell in first_cells for name in CODE.findall(cell)}
    assert len(defined) > 5
    assert not [name for name in defined if name not in {*model.model_fields, *vars(model)}]


def test_every_table_is_in_a_heading_and_can_be_asked_for() -> None:
    """`--by` takes exactly the tables that the page has sections about."""
    headings = re.findall(r"^## .*\((.*)\)$", DOCS.read_text("utf-8"), flags=re.MULTILINE)
    named = {name for heading in headings for name in re.findall(r"`([a-z]+)`", heading)}
    assert named - {"total"} == set(TABLES)
    assert set(TABLES) < set(il.Metrics.model_fields)
