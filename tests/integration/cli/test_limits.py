"""`limits`: what is left alone, until when and why; and how a person closes it."""

import asyncio
from datetime import timedelta

import pytest

import interlock as il
from tests.integration.cli.shell import Shell
from tests.integration.teams import Recorder, build_desk

AT_DESK = ("--storage", "sqlite:///desk.db")


@pytest.fixture
def failing(shell: Shell) -> Shell:
    """Return a folder in which one worker's breaker is open, and another's rate was used."""

    async def live() -> None:
        agents = {
            "mailer": il.Worker(
                name="mailer",
                agent=Recorder(ConnectionError("down")),
                breaker=il.Breaker(failures=1),
            ),
            "writer": il.Worker(
                name="writer", agent=Recorder("x"), rate=il.Rate(calls=1, per=timedelta(hours=1))
            ),
        }
        async with build_desk(agents, storage=f"sqlite:///{shell.folder}/desk.db") as desk:
            await desk.ainvoke("Test", thread_id="t")

    asyncio.run(live())
    return shell


def test_limits_are_shown_and_reset(failing: Shell) -> None:
    """A person sees state, time and failure, and closes a breaker by the name that is shown."""
    page = failing.call("limits", *AT_DESK)
    assert page.code == 0
    assert "worker/mailer" in page.out
    assert "open" in page.out
    assert "1 failure, the last ConnectionError" in page.out
    assert "turns are taken for the next" in page.out
    listed = failing.call("limits", *AT_DESK, "--json").data["limits"]
    assert [(one["name"], one["state"]) for one in listed] == [
        ("worker/mailer", "open"),
        ("worker/writer", "closed"),
    ]
    assert listed[0]["until"] > listed[0]["since"]
    assert listed[1]["next_at"] is not None
    done = failing.call("limits", "reset", "worker/mailer", *AT_DESK)
    assert (done.code, "closed" in done.out) == (0, True)
    left = failing.call("limits", *AT_DESK, "--json").data["limits"]
    assert [one["name"] for one in left] == ["worker/writer"]


def test_an_unknown_name_is_refused_with_those_that_are_known(failing: Shell) -> None:
    """A typo changes nothing, and says what was meant."""
    done = failing.call("limits", "reset", "worker/mailr", *AT_DESK)
    assert done.code == 2
    assert "worker/mailer" in done.err
    assert len(failing.call("limits", *AT_DESK, "--json").data["limits"]) == 2


def test_nothing_known_is_said(failing: Shell) -> None:
    """With all forgotten, the page says that nothing holds anybody up."""
    for name in ("worker/mailer", "worker/writer"):
        failing.call("limits", "reset", name, *AT_DESK)
    assert "all are closed and at rest" in failing.call("limits", *AT_DESK).out
