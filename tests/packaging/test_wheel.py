"""The wheel: everything that the package needs at run time is in it, and nothing else."""

import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.packaging.repository import PACKAGE, ROOT, SETTINGS, list_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel as it is built from the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_every_file_of_the_package_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    """Code, SQL, prompts, pages' templates, the demonstration's data and the typing marker; tests are not."""
    expected = {str(path.relative_to(ROOT)) for path in list_files("interlock")}
    packed = {name for name in wheel.namelist() if not name.startswith("interlock-")}
    assert packed == expected
    for ending in (
        ".sql",
        ".md",
        ".json",
        ".html",
        ".css",
        ".js",
        "py.typed",
        "LICENSE-tau-bench.txt",
    ):
        assert any(name.endswith(ending) for name in packed), ending


def test_files_arrive_as_they_are(wheel: zipfile.ZipFile) -> None:
    """Not a byte differs between the checkout and what is installed."""
    for path in list_files("interlock"):
        assert wheel.read(str(path.relative_to(ROOT))) == path.read_bytes()


def test_the_wheel_installs_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    """`interlock` is on the path afterwards, and the licence travels along."""
    (info,) = {Path(name).parts[0] for name in wheel.namelist() if name.startswith("interlock-")}
    entry_points = ConfigParser()
    entry_points.read_string(wheel.read(f"{info}/entry_points.txt").decode())
    assert dict(entry_points["console_scripts"]) == {"interlock": "interlock.cli.main:run"}
    assert b"MIT License" in wheel.read(f"{info}/licenses/LICENSE")
    metadata = wheel.read(f"{info}/METADATA").decode()
    assert f"Version: {SETTINGS['project']['version']}" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_every_dependency_states_its_reason() -> None:
    """Each line of the run-time dependencies carries a comment that says why it is there."""
    lines = (ROOT / "pyproject.toml").read_text("utf-8").splitlines()
    start = lines.index("dependencies = [")
    listed = lines[start + 1 : lines.index("]", start)]
    assert len(listed) == len(SETTINGS["project"]["dependencies"])
    assert all("#" in line for line in listed)


def test_the_demonstrations_data_is_the_packages_own() -> None:
    """The installed wheel needs no checkout: its data lies inside the package."""
    assert (PACKAGE / "demo" / "data" / "tickets.json").is_file()
