"""Task graphs from files: JSON and YAML alike, and errors with file and line."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator

import interlock as il
from tests.integration.teams import build_plan, build_step
from tests.invariants.random_plans import build_plan as build_random_plan
from tests.invariants.random_plans import fates

PLAN = build_plan(
    build_step("order", "records", arguments={"number": 17}, publishes={"n": "output.number"}),
    build_step(
        "reply",
        "clerk",
        needs=["order", il.Need(step="photo", accept_degraded=True)],
        inputs={"status": "order.status"},
        context=["n"],
        criteria=[il.expr("size(output.text) < 9", message="Short"), il.check("c"), il.rubric("r")],
        output_schema={"type": "object"},
        retry=il.Retry(max_attempts=3),
        timeout="PT30S",
        budget=il.Budget(attempts=2, wall_time="PT1H"),
        approval="inputs.status == 'paid'",
        estimate=1.5,
        fallback=[
            il.use_worker("other"),
            il.ask_person("Well?"),
            il.use_value({"a": [None, 1.5]}),
            il.skip(gap="none"),
            il.abandon(),
        ],
    ),
    build_step("photo", "records"),
)


def write(folder: Path, text: str, name: str = "plan.yaml") -> Path:
    """Return a file with this text."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def read_problems(path: Path) -> list[str]:
    """Return what is wrong with a file, in words."""
    with pytest.raises(il.PlanError) as caught:
        il.load_task_graph(path)
    return [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize("name", ["plan.json", "plan.yaml", "plan.yml", "plan", "PLAN.JSON"])
def test_a_plan_comes_back_from_a_file_unchanged(tmp_path: Path, name: str) -> None:
    """Every feature of a step survives JSON and YAML; the name's ending tells them apart."""
    data = PLAN.model_dump(mode="json")
    text = json.dumps(data) if name.lower().endswith("json") else yaml.safe_dump(data)
    assert il.load_task_graph(write(tmp_path, text, name)) == PLAN
    assert il.load_task_graph(str(tmp_path / name)) == PLAN


def test_the_printed_schema_accepts_what_a_file_may_hold() -> None:
    """The JSON Schema that editors and planners use is the schema of what is read."""
    schema = il.TaskGraph.model_json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    validator.validate(PLAN.model_dump(mode="json"))
    short = {"id": "a", "worker": "w", "instruction": "i", "needs": ["b", {"step": "c"}]}
    validator.validate({"goal": "g", "steps": [{**short, "timeout": "PT1M", "estimate": 2}]})
    assert not validator.is_valid({"goal": "g", "steps": [], "stpes": 1})
    assert not validator.is_valid({"goal": "g", "steps": [{**short, "timeout": 0}]})
    assert not validator.is_valid({"goal": "g", "steps": [{**short, "needs": [1]}]})


def test_a_hand_written_plan_is_short(tmp_path: Path) -> None:
    """A need is a word, durations are ISO 8601 or seconds, and what is left out has a default."""
    plan = il.load_task_graph(
        write(
            tmp_path,
            """
            goal: Answer ticket 17
            steps:
              - {id: order, worker: records, instruction: Find it}
              - id: reply
                worker: clerk
                instruction: Answer
                needs: [order]
                timeout: PT1M
                criteria:
                  - {kind: expr, expression: "size(output.text) < 9"}
                fallback:
                  - {kind: skip, gap: no reply}
            """,
        )
    )
    reply = plan.index_steps()["reply"]  # type: ignore[index]
    assert reply.needs == (il.Need(step="order"),)
    assert reply.timeout is not None
    assert reply.timeout.total_seconds() == 60
    assert reply.criteria == (il.expr("size(output.text) < 9"),)
    assert reply.fallback == (il.skip(gap="no reply"),)


@pytest.mark.parametrize(
    ("name", "text", "problems"),
    [
        ("p.yaml", "goal: a\nsteps: [\n", [":3: it is not YAML"]),
        ("p.yaml", "goal: a\n\tsteps: []", [":2: it is not YAML"]),
        ("p.yaml", "goal: !!python/object:os.system a\nsteps: []", ["it is not YAML"]),
        ("p.json", '{"goal": "a",\n "steps": [}', [":2: it is not JSON"]),
        ("p.json", "goal: a", [":1: it is not JSON"]),
        ("p.yaml", "", [": the whole file: Fields by name are wanted"]),
        ("p.yaml", "- 1", [":1: the whole file: "]),
        ("p.yaml", "goal: a\nsteps: []\ngoal: b", [":3: the key 'goal' is there twice."]),
        (
            "p.json",
            '{"goal": "a",\n"steps": [{"id": "a",\n"id": "b"}]}',
            [":3: the key 'id' is there twice."],
        ),
        (
            "p.yaml",
            "goal: a\nsteps:\n  - id: a.b\n    worker: w\n    instruction: i\n    wroker: x\n    retry: {max_attempts: 0}\n",
            [":3: steps.0.id", ":7: steps.0.retry.max_attempts", ":6: steps.0.wroker"],
        ),
        (
            "p.yaml",
            "goal: a\nsteps:\n  - id: a\n    worker: w\n    criteria:\n      - {kind: expr}\n",
            [":3: steps.0.instruction", ":6: steps.0.criteria.0.expr.expression"],
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, name: str, text: str, problems: list[str]
) -> None:
    """All problems at once; each begins with the file and, where one can be told, the line."""
    path = write(tmp_path, text, name)
    found = read_problems(path)
    assert len(found) == len(problems)
    for message, expected in zip(found, problems, strict=True):
        assert message.startswith(str(path))
        assert expected in message


FORMS = """\
goal: a
stpes: []
steps:
  - id: a
    argumens: {topic: x}
    needs: b
    retry: {max_attemps: 3}
    timeout: 30s
    criteria:
      - output.n > 2
      - {expression: output.n > 2}
      - {kind: expr, expresion: output.n > 2}
    fallback:
      - {kind: skip, gab: none}
"""


def test_what_is_wrong_says_what_to_write(tmp_path: Path) -> None:
    """A field that does not exist, one that is missing, another kind of value: in plain words."""
    told = dict(
        message.removeprefix(str(tmp_path)).removeprefix("/p.yaml:").split(" ", 1)
        for message in (
            problem.split(" Seen: ")[0]
            for problem in read_problems(write(tmp_path, FORMS, "p.yaml"))
        )
        if "instruction" not in message and "worker" not in message
    )
    assert told == {
        "2:": "stpes: There is no such field. Did you mean 'steps' or 'is_open'?",
        "5:": "steps.0.argumens: There is no such field. Did you mean 'arguments'?",
        "6:": "steps.0.needs: A list is wanted here.",
        "7:": "steps.0.retry.max_attemps: There is no such field. Did you mean 'max_attempts'?",
        "8:": "steps.0.timeout: A duration is wanted here: seconds, or ISO 8601 such as PT30S.",
        "10:": "steps.0.criteria.0: Fields by name are wanted here.",
        "11:": "steps.0.criteria.1: The field 'kind' is missing.",
        "12:": "steps.0.criteria.2.expr.expresion: There is no such field. "
        "Did you mean 'expression'?",
        "14:": "steps.0.fallback.0.skip.gab: There is no such field. Did you mean 'gap'?",
    }


def test_a_file_that_cannot_be_read_is_a_plan_error(tmp_path: Path) -> None:
    """Missing, a folder, or not text: the command line shows one sentence, no traceback."""
    assert "cannot be read: No such file" in read_problems(tmp_path / "none.yaml")[0]
    assert "cannot be read" in read_problems(tmp_path)[0]
    (tmp_path / "bad.yaml").write_bytes(b"goal: \xff")
    assert "not UTF-8 text (byte 6)" in read_problems(tmp_path / "bad.yaml")[0]


def test_a_file_of_nested_brackets_is_refused(tmp_path: Path) -> None:
    """A hostile file ends in an error, not in a dead process."""
    deep = "[" * 100_000
    for name in ("deep.json", "deep.yaml"):
        assert read_problems(write(tmp_path, deep, name))


def test_aliases_are_read_once(tmp_path: Path) -> None:
    """YAML's anchors work, and a billion laughs stay one laugh for the look for twins."""
    text = "goal: g\nsteps:\n  - &a {id: a, worker: w, instruction: i}\n  - <<: *a\n    id: b\n"
    plan = il.load_task_graph(write(tmp_path, text))
    assert [step.id for step in plan.steps] == ["a", "b"]


@settings(max_examples=25, deadline=None)
@given(fates())
def test_random_plans_come_back_from_yaml(tmp_path_factory: Any, drawn: Any) -> None:
    """Whatever the plan, writing and reading it changes nothing."""
    plan = build_random_plan(drawn)
    folder = tmp_path_factory.mktemp("plan")
    text = yaml.safe_dump(plan.model_dump(mode="json"), allow_unicode=True)
    assert il.load_task_graph(write(folder, text)) == plan
