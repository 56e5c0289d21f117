"""The examples in a fresh clone: they need their own files and the installed wheel, nothing else."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.cli.shell import INTERLOCK
from tests.integration.examples.example_calls import (
    BENCHMARK,
    ROOT,
    ExampleCalls,
    index_rows,
    require_all_right,
)

PYTHON = sys.executable


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what `pip install .` would put into site-packages."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [PYTHON, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a working folder that has the examples and the workloads, and no package."""
    folder = tmp_path / "clone"
    shutil.copytree(
        ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "workloads").mkdir()
    (folder / "workloads" / "tau").symlink_to(BENCHMARK)
    return folder


def test_the_retail_desk_needs_the_wheel_and_its_own_files(
    calls: ExampleCalls, clone: Path, site: Path
) -> None:
    """The command of the README runs on the installed package, and leaves the clone as it was."""
    before = sorted(clone.rglob("*"))
    code = "import interlock, sys; sys.exit(interlock.__file__)"
    where = calls.run(command=[PYTHON, "-B", "-c", code], cwd=clone, path=site)
    assert where.err.startswith(str(site))
    done = calls.run(
        *("--tickets", "workloads/tau/retail_test.json", "--data", "workloads/tau/retail_db"),
        *("--json", "--only", "retail-test-0"),
        command=[PYTHON, "-B", "-m", "examples.retail_desk"],
        cwd=clone,
        path=site,
    )
    assert done.code == 0, done.err
    require_all_right(index_rows(done))
    assert sorted(clone.rglob("*")) == before


def test_the_minimal_team_asks_and_sends(calls: ExampleCalls, clone: Path, site: Path) -> None:
    """It shows what a person is asked, and what was sent once they agreed."""
    done = calls.run(command=[PYTHON, "-m", "examples.minimal_team.team"], cwd=clone, path=site)
    assert (done.code, done.err) == (0, "")
    asked, sent = done.out.splitlines()
    letter = "'Dear Ada, your order is shipped.'"
    assert letter in asked
    assert sent == f"completed {{'sent': {letter}}}"


def test_the_retail_team_runs_from_the_command_line(
    calls: ExampleCalls, clone: Path, site: Path
) -> None:
    """`interlock run` answers a packaged ticket on a shop in the working folder, which stays.

    Answered a second time, the same ticket is refused by the shop.
    """
    team = "examples.retail_desk.team:build_team"
    command = [str(INTERLOCK), "run", team, "Answer ticket retail-test-0"]
    done = calls.run("--thread", "t0", command=command, cwd=clone, path=site)
    assert done.code == 0, done.err
    assert "completed  thread t0  6 steps settled" in done.out
    assert (clone / "retail_shop.db").is_file()
    again = calls.run("--thread", "t1", "--json", command=command, cwd=clone, path=site)
    assert again.code == 0, again.err
    result = json.loads(again.out.splitlines()[-1])["result"]
    assert result["status"] == "completed"
    assert "The shop refused exchange_delivered_order_items" in result["outputs"]["report"]["text"]
