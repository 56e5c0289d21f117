"""Report pages of real runs, and one Chromium a process to open them in."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.integration.cli.shell import Shell
from tests.integration.teams import give, locate
from tests.metrics.recount_stage import Stage, build_stage
from tests.report.browsing import find_chromium, open_browser
from tests.report.eventful_runs import play_everything, play_thousand, play_waiting


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Return a running Chromium, which is in no Python package: CI installs it.

    Elsewhere its tests are skipped out loud.
    """
    program = find_chromium()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("No chromium on this machine: .ci/run should have installed it.")
        pytest.skip("No chromium on this machine: apt-get install chromium")
    async with open_browser(program) as browser:
        yield browser


async def _play(stage: Stage) -> None:
    await stage.storage.connect()
    await play_everything(stage, "everything")
    await play_waiting(stage, "waiting")
    await stage.storage.aclose()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return the pages that the command line writes: of a run, of one that waits, of all runs."""
    folder = tmp_path_factory.mktemp("reports")
    url = locate(folder)
    asyncio.run(_play(build_stage(url)))
    shell = Shell(folder)
    threads = {
        "everything": ["everything"],
        "waiting": ["waiting"],
        "many": ["--since", "2026-01-01"],
    }
    for name, chosen in threads.items():
        done = shell.call("report", *chosen, "-o", f"{name}.html", "--storage", url)
        assert done.code == 0, done.err
    return {name: folder / f"{name}.html" for name in threads}


async def _report_thousand(stage: Stage) -> str:
    await stage.storage.connect()
    await play_thousand(stage, "thousand")
    async with stage.open({"nobody": give(None)}, team="reader") as desk:
        page = await desk.areport("thousand")
    await stage.storage.aclose()
    return page


@pytest.fixture(scope="session")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a run of a thousand steps."""
    path = tmp_path_factory.mktemp("thousand") / "report.html"
    path.write_text(asyncio.run(_report_thousand(build_stage("memory://"))), encoding="utf-8")
    return path
