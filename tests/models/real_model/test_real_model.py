"""The same runs against a real model, by hand: `pytest -m real_model`; see CONTRIBUTING.md.

INTERLOCK_LOCAL_MODEL is the base URL of an OpenAI-compatible server. With INTERLOCK_RECORD=1 what is
said there becomes what CI plays.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.models.real_model.real_team import connect
from tests.models.real_model.recorded_runs import RUNS
from tests.models.real_model.tape import TAPES, read_answers, record

pytestmark = [pytest.mark.real_model, pytest.mark.timeout(1800)]


@pytest.fixture
def url() -> str:
    """Return the server's base URL."""
    url = os.environ.get("INTERLOCK_LOCAL_MODEL")
    if not url:
        pytest.skip("INTERLOCK_LOCAL_MODEL names no server, such as http://127.0.0.1:8081/v1")
    return url


@pytest.mark.parametrize("name", RUNS)
async def test_a_real_model_carries_it_out(name: str, url: str, tmp_path: Path) -> None:
    """It completes, and every token that the server counted is counted."""
    tape = tmp_path / f"{name}.yaml"
    with record(tape) as cassette:
        ended = await RUNS[name](connect(url))
    print(json.dumps(ended, indent=1, ensure_ascii=False))
    assert ended["status"] == "completed"
    reported = [answer["usage"] for answer in read_answers(cassette) if "usage" in answer]
    assert ended["usage"]["input_tokens"] == sum(usage["prompt_tokens"] for usage in reported)
    if os.environ.get("INTERLOCK_RECORD"):
        _keep(name, tape, ended)


def _keep(name: str, tape: Path, ended: object) -> None:
    TAPES.mkdir(exist_ok=True)
    shutil.copy(tape, TAPES / tape.name)
    path = TAPES / "ends.json"
    ends = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    ends[name] = ended
    path.write_text(
        json.dumps(ends, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
