"""Runs with a real model, recorded once, play again through the front door: same words, same end.

The 1.5 B model of the recording plans, works, judges and routes. That the answers are good is not
promised here; that all around the model is the same as on that day is.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from interlock.testing import ManualClock
from tests.models.real_model.real_team import CRITERIA, connect
from tests.models.real_model.recorded_runs import RUNS
from tests.models.real_model.tape import TAPES, TapeError, play, read_answers

END = json.loads((TAPES / "ends.json").read_text(encoding="utf-8"))


async def replay(name: str, *, thread_id: str = "t17", tape: Path | None = None) -> tuple[Any, Any]:
    """Run it from its tape; return how it ended, and the answers on the tape."""
    with play(tape or TAPES / f"{name}.yaml") as cassette:
        ended = await RUNS[name](connect(), thread_id=thread_id, clock=ManualClock(auto=True))
    assert cassette.all_played
    return ended, read_answers(cassette)


@pytest.mark.parametrize("name", RUNS)
async def test_a_recorded_run_ends_as_it_did(name: str) -> None:
    """Status, outputs, verdicts and conversation; on another thread, so that no prompt holds its id."""
    ended, answers = await replay(name, thread_id="another")
    assert ended == END[name]
    assert ended["status"] == "completed"
    reported = [answer["usage"] for answer in answers if "usage" in answer]
    assert ended["usage"]["model_calls"] == len(answers)
    assert ended["usage"]["input_tokens"] == sum(usage["prompt_tokens"] for usage in reported)
    assert ended["usage"]["output_tokens"] == sum(usage["completion_tokens"] for usage in reported)


def test_the_recorded_team_is_the_whole_of_one() -> None:
    """A plan of two workers' steps, a tool that was called, a judge's verdict on the reply."""
    team = END["team"]
    (reply,) = [judged for judged in team["judged"] if judged["findings"]]
    assert reply["action"] == "accept"
    assert len(reply["findings"]) == len(CRITERIA)
    (opinion,) = reply["findings"][1]["evidence"]
    assert opinion["verdict"] == "pass"
    assert "Thursday" in team["outputs"][reply["step"]]
    assert len(team["outputs"]) == 2


def test_the_recorded_supervisor_used_both_agents() -> None:
    """Both were given a task, and both results are in its last words."""
    said = END["supervisor"]["said"]
    assert {name for name, _ in said} >= {"orders", "sums"}
    last = said[-1][1]
    assert ("Lyon" in last, "84" in last) == (True, True)


async def test_a_changed_prompt_is_told_with_how_to_record_again(tmp_path: Path) -> None:
    """Nothing is sent on; the message shows the line that differs, and where to read on."""
    text = (TAPES / "team.yaml").read_text(encoding="utf-8")
    tape = tmp_path / "team.yaml"
    tape.write_text(text.replace("You do none of it yourself.", "", 1), encoding="utf-8")
    with pytest.raises(TapeError, match=r"CONTRIBUTING\.md") as caught:
        await replay("team", tape=tape)
    changed = [line for line in str(caught.value).splitlines() if line[:2] in {"+ ", "- "}]
    assert [("none of it" in line, line[0]) for line in changed] == [(False, "-"), (True, "+")]


async def test_a_recorded_call_that_is_not_made_is_told_too(tmp_path: Path) -> None:
    """A run that asks less than it did is another run."""
    whole, other = (
        (TAPES / f"{name}.yaml").read_text(encoding="utf-8") for name in ("team", "supervisor")
    )
    first = other.split("- request:", 2)[1]
    tape = tmp_path / "team.yaml"
    tape.write_text(
        whole.replace("- request:", f"- request:{first}- request:", 1), encoding="utf-8"
    )
    with pytest.raises(TapeError, match="1 recorded calls were not made"):
        await replay("team", tape=tape)


@pytest.mark.parametrize("name", RUNS)
def test_a_tape_tells_nothing_of_where_it_was_made(name: str) -> None:
    """No host, key, agent, hour or timing; and it is small."""
    text = (TAPES / f"{name}.yaml").read_text(encoding="utf-8")
    for word in (
        "127.0.0.1",
        "localhost",
        "uthorization",
        "ser-agent",
        "stainless",
        "llama",
        "timings",
        "/tmp",
    ):
        assert word not in text
    assert len(text) < 75_000
