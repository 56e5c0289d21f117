"""The pages: every block runs or parses, every link leads somewhere, the changelog is current."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer.main

import interlock as il
from interlock.cli.main import app
from interlock.contracts.plan_validation import find_plan_problems
from interlock.criteria import CriteriaEngine
from tests.integration.teams import build_workers, give
from tests.packaging.block_process import BlockRunner
from tests.packaging.page_blocks import Block, read_blocks
from tests.packaging.repository import ROOT, SETTINGS, list_pages, name_page

PAGES = list_pages()
BLOCKS = [block for page in PAGES for block in read_blocks(page)]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
KNOWN = {"python", "yaml", "json", "sh", "console", "text", ""}


def select(language: str) -> list[Block]:
    """Return the blocks in a language."""
    return [block for block in BLOCKS if block.language == language]


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a fresh folder with the files that the block's page holds."""
    block: Block = request.getfixturevalue("block")
    for other in read_blocks(block.page):
        if other.file is not None:
            (tmp_path / other.file).write_text(other.code, "utf-8")
    return tmp_path


def test_the_pages_are_there() -> None:
    """README, changelog, contributing and the pages for users are looked at, with their blocks."""
    names = {name_page(page) for page in PAGES}
    topics = ("plans", "workers", "results", "recovery", "people", "storage", "studio")
    pages = {f"docs/{name}.md" for name in topics}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", *pages} <= names
    assert {block.language for block in BLOCKS} <= KNOWN
    assert {name_page(block.page) for block in select("python")} >= {"README.md", *pages}


@pytest.fixture(scope="module")
def runner() -> Iterator[BlockRunner]:
    """Return what runs blocks."""
    started = BlockRunner()
    yield started
    started.close()


@pytest.mark.parametrize("block", select("python"), ids=str)
def test_a_python_block_runs_and_prints_what_the_page_says(
    block: Block, folder: Path, runner: BlockRunner
) -> None:
    """Copied into an empty folder it runs without a key, a network or a warning."""
    script = folder / "block.py"
    script.write_text(block.code, "utf-8")
    done = runner.run(script)
    assert done.code == 0, done.stderr
    assert done.stderr == ""
    if block.printed is not None:
        assert done.stdout == block.printed


@pytest.mark.parametrize("block", select("yaml"), ids=str)
def test_a_yaml_block_is_a_task_graph(block: Block, tmp_path: Path) -> None:
    """Every plan that a page shows can be loaded, and runs with workers of these names."""
    path = tmp_path / "plan.yaml"
    path.write_text(block.code, "utf-8")
    plan = il.load_task_graph(path)
    ways = [way for step in plan.steps for way in step.fallback if way.kind == "use_worker"]
    names = {*(step.worker for step in plan.steps), *(way.worker for way in ways)}
    team = {worker.name: worker for worker in build_workers({name: give(1) for name in names})}
    assert plan.steps
    assert find_plan_problems(plan, team, inspector=CriteriaEngine({})) == ()


@pytest.mark.parametrize("block", select("json"), ids=str)
def test_a_json_block_is_json(block: Block) -> None:
    """What is shown can be pasted."""
    json.loads(block.code)


def list_commands(block: Block) -> list[list[str]]:
    """Return the commands of a shell block, split at `&&` and pipes, as words."""
    lines = block.code.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    commands: list[list[str]] = [[]]
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|<>;")
        lexer.whitespace_split = True
        commands.append([])
        for word in lexer:
            if set(word) <= set("&|;"):
                commands.append([])
            else:
                commands[-1].append(word)
    return [command for command in commands if command]


SHELL = [block for block in BLOCKS if block.language in {"sh", "console"}]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_shell_block_names_what_exists(block: Block) -> None:
    """Each `interlock` command parses with its options, each module and each path is there."""
    for words in list_commands(block):
        if words[0] == "interlock":
            parse_interlock(words[1:])
        elif words[:2] == ["python", "-m"]:
            assert words[2] == "venv" or find_spec(words[2]) is not None, words
            paths = [word for word in words if word.startswith("workloads/")]
            assert all((ROOT / path).exists() for path in paths), words


@pytest.mark.parametrize(
    "block", [b for b in select("console") if b.page == ROOT / "README.md"], ids=str
)
def test_the_shell_lines_of_the_readme_run(block: Block, folder: Path) -> None:
    """Typed one after the other beside the README's own file, each of them succeeds."""
    interlock = str(Path(sys.executable).with_name("interlock"))
    for _, *arguments in list_commands(block):
        done = subprocess.run(
            [interlock, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "Order 17 is shipped." in done.stdout or "t18: completed" in done.stdout


def parse_interlock(arguments: list[str]) -> None:
    """Parse a command line as `interlock` does, without running it."""
    command = typer.main.get_command(app)
    ends = [arguments.index(sign) for sign in (">", "<") if sign in arguments]
    arguments = arguments[: min(ends, default=len(arguments))]
    context = command.make_context("interlock", list(arguments))
    while hasattr(command, "resolve_command"):
        rest = [*getattr(context, "_protected_args", []), *context.args]
        if not rest:
            return  # a group that took all words itself
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("arguments", ["rum app:desk", "run app:desk", "status --no-such-option"])
def test_a_wrong_command_line_would_be_seen(arguments: str) -> None:
    """A misspelt command, a missing option and an unknown one do not parse."""
    with pytest.raises(Exception, match=r"No such (command|option)|Missing"):
        parse_interlock(arguments.split())


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name a file or a folder, and a heading where they name one."""
    for target in LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert linked.is_relative_to(ROOT), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, target


def test_every_page_for_users_is_linked_from_the_readme() -> None:
    """Nobody has to guess that a page exists."""
    linked = set(LINK.findall((ROOT / "README.md").read_text("utf-8")))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def test_the_changelog_has_an_entry_for_this_version() -> None:
    """Keep a Changelog's form: the version, a date or Unreleased, and what was added."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    version = re.escape(SETTINGS["project"]["version"])
    entry = re.search(
        rf"^## \[{version}\] - (Unreleased|\d{{4}}-\d\d-\d\d)$(.*?)(?=^## |\Z)",
        text,
        re.MULTILINE | re.DOTALL,
    )
    assert entry is not None
    assert "### Added" in entry[2]


def test_the_test_command_of_the_readme_is_the_one_that_ci_runs() -> None:
    """CI reads it from the README: there is one, and it installs and tests."""
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "read_test_command.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == 'pip install -e ".[dev]" && pytest -n auto -q\n'
    assert done.stdout in (ROOT / "README.md").read_text("utf-8")
