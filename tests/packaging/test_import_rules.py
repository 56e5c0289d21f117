"""The layers: they hold, and each contract is seen to break when its rule is broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.repository import PACKAGE, ROOT, SETTINGS

CONTRACTS = [contract["name"] for contract in SETTINGS["tool"]["importlinter"]["contracts"]]
VIOLATIONS = {
    "Imports go down": ("nodes/run/slots.py", "from interlock.console import palette"),
    "Within the nodes, too": (
        "nodes/run/board.py",
        "from interlock.nodes.steps import step_run",
    ),
    "Storage knows no behaviour": (
        "checkpoints/leases.py",
        "from interlock.nodes.run import board",
    ),
    "Contracts know no framework and no database": ("contracts/ids.py", "import httpx"),
    "Only checkpoints talk to a database": ("nodes/finish.py", "import sqlite3"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of the package and its settings."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "interlock", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def find_broken(folder: Path) -> list[str]:
    """Return the contracts that a copy breaks."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    kept = [name for name in CONTRACTS if f"{name} KEPT" in done.stdout]
    broken = [name for name in CONTRACTS if f"{name} BROKEN" in done.stdout]
    assert sorted(kept + broken) == sorted(CONTRACTS), done.stdout + done.stderr
    assert done.returncode == (1 if broken else 0)
    return broken


def test_imports_go_down(copy: Path) -> None:
    """The package as it is keeps every contract."""
    assert find_broken(copy) == []


def test_every_contract_is_tried() -> None:
    """A new contract is shown to break before it counts."""
    assert sorted(VIOLATIONS) == sorted(CONTRACTS)


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_forbidden_import_breaks_its_contract(contract: str, copy: Path) -> None:
    """One line in one module, and the contract that forbids it says so."""
    name, line = VIOLATIONS[contract]
    module = copy / "interlock" / name
    source = module.read_text("utf-8")
    module.write_text(f"{source}\n{line}\n", "utf-8")
    try:
        assert find_broken(copy) == [contract]
    finally:
        module.write_text(source, "utf-8")
