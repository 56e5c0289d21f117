"""Rules of the house that no other tool holds: sizes, names, time and chance, promises."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.repository import PACKAGE, ROOT, SETTINGS, list_files, name_page

SOURCES = list(list_files("interlock", ending=".py"))
OTHERS = list(list_files("examples", "benchmarks", ending=".py"))
TESTS = list(list_files("tests", ending=".py"))
VAGUE = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}
PROMISES = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
"""Those that this release makes; I5 (effects), I11 and I12 come with what they are about."""

TOO_LONG = "def f(a):\n" + "".join(f"    if a == {n}:\n        return {n}\n" for n in range(12))
BANNED = {
    "time.sleep(1)": "import time\n",
    "datetime.datetime.now()": "import datetime\n",
    "uuid.uuid4()": "import uuid\n",
}


def test_the_repository_is_found() -> None:
    """What follows looks at real files."""
    assert len(SOURCES) > 100
    assert len(TESTS) > 50


@pytest.mark.parametrize(("paths", "limit"), [(SOURCES + OTHERS, 600), (TESTS, 800)])
def test_no_file_is_too_long(paths: list[Path], limit: int) -> None:
    """The tail is policed: 600 lines, 800 in tests."""
    sizes = {name_page(path): len(path.read_text("utf-8").splitlines()) for path in paths}
    assert {name: size for name, size in sizes.items() if size > limit} == {}


def test_functions_are_kept_short_by_ruff() -> None:
    """The bounds are set, they bite, and nothing in the package is let off them."""
    lint = SETTINGS["tool"]["ruff"]["lint"]
    assert lint["mccabe"]["max-complexity"] <= 10
    assert lint["pylint"]["max-statements"] <= 40
    assert lint["pylint"]["max-branches"] <= 10
    assert lint["pylint"]["max-args"] <= 7
    found = run_ruff(TOO_LONG)
    assert {"C901", "PLR0911"} <= found
    excused = re.compile(r"noqa: [^\n]*(?:C901|PLR0915|PLR0912)")
    assert [name_page(p) for p in SOURCES if excused.search(p.read_text("utf-8"))] == []


def run_ruff(code: str) -> set[str]:
    """Return the rules that a file of the package with this code would break."""
    name = "--stdin-filename=interlock/nodes/broken.py"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", name, "-"],
        input=code,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return set(re.findall(r":\d+:\d+: ([A-Z]+\d+)", done.stdout))


@pytest.mark.parametrize("call", BANNED)
def test_calls_that_break_replay_are_refused_by_ruff(call: str) -> None:
    """Time, chance and ids are handed in; the linter says so where one writes otherwise."""
    assert "TID251" in run_ruff(f"{BANNED[call]}{call}\n")


def test_nothing_in_the_package_reads_the_clock_or_draws_by_itself() -> None:
    """`SystemClock` and process identity are the only readers of the machine's clock."""
    readers: dict[str, set[str]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                readers.setdefault(f"{node.value.id}.{node.attr}", set()).add(name_page(path))
    for banned in ("time.sleep", "uuid.uuid4", "uuid4.hex", "datetime.now", "datetime.utcnow"):
        assert readers.get(banned, set()) == set(), banned
    drawing = {name: pages for name, pages in readers.items() if name.startswith("random.")}
    seeded = drawing.pop("random.Random", set())  # one's own, from a seed: for jobs and faults
    assert not drawing
    assert {page.split("/")[1] for page in seeded} <= {"bench", "demo", "testing"}
    assert readers["time.time"] <= {
        "interlock/contracts/clock.py",
        "interlock/checkpoints/process_identity.py",
    }


def test_files_are_named_for_what_they_hold() -> None:
    """No drawer for everything: a helper lies beside its user, or has a name of its own."""
    stems = {path: re.split(r"[_\W]", path.stem) for path in [*SOURCES, *OTHERS, *TESTS]}
    folders = {path.parent for path in stems}
    assert [name_page(path) for path, words in stems.items() if set(words) & VAGUE] == []
    assert [folder for folder in folders if folder.name in VAGUE] == []


@pytest.mark.parametrize("word", ["sub-?agent", "guardrail", "retry_count", "to-do"])
def test_a_thing_has_one_word(word: str) -> None:
    """The vocabulary's other words do not appear in the package."""
    pattern = re.compile(word, re.IGNORECASE)
    assert [name_page(p) for p in SOURCES if pattern.search(p.read_text("utf-8"))] == []


def test_every_module_of_the_package_says_what_it_holds() -> None:
    """Each begins with a docstring whose first line is a sentence."""
    for path in SOURCES:
        docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert docstring, path
        assert docstring.splitlines()[0].endswith((".", "?")), path


def test_every_test_states_its_promise() -> None:
    """Each test's docstring says in words what holds, so that a failure can be read."""
    silent = [
        f"{name_page(path)}::{node.name}"
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_every_promise_has_a_test_and_a_keeper() -> None:
    """I1 to I10: a test named after each, and a module that names what it keeps."""
    tested = {
        int(number)
        for path in TESTS
        for number in re.findall(r"\bdef test_i(\d\d)_", path.read_text("utf-8"))
    }
    assert tested >= PROMISES
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    kept = {int(number) for number in re.findall(r"\bI(\d\d?)\b", text)}
    assert kept >= PROMISES


def test_every_room_is_in_the_layers() -> None:
    """A new room, and one within the nodes, does not escape the rule that imports go down."""
    layers = {
        tuple(contract.get("containers", ())): contract["layers"]
        for contract in SETTINGS["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    }
    assert layers.keys() == {(), ("interlock.nodes",)}
    for (container, lines), folder in zip(
        layers.items(), (PACKAGE, PACKAGE / "nodes"), strict=True
    ):
        assert (folder == PACKAGE) is (container == ())
        listed = {
            room.strip().removeprefix("interlock.") for line in lines for room in line.split("|")
        }
        rooms = {path.name for path in folder.iterdir() if (path / "__init__.py").is_file()}
        assert listed == rooms
