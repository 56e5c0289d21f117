"""I11: a model call that kill -9 cut off counts in full, and no resume spends it again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 3
CHILD = """
import asyncio, os, signal, sys
from typing import Any
import interlock as il
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from tests.integration.scripted_chat import ScriptedChat
from tests.integration.teams import build_desk, build_step

url, record, is_last = sys.argv[1], sys.argv[2], sys.argv[3] == "last"

class Server(ScriptedChat):
    turns: list[Any] = []
    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        with open(record, "a") as file:
            file.write("call\\n")
            file.flush()
            os.fsync(file.fileno())
        if not is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        usage = {"input_tokens": 10, "output_tokens": 90, "total_tokens": 100}
        message = AIMessage("no", usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])

async def main() -> None:
    model = Server()
    async def work(brief: il.Brief) -> str:
        while True:
            await model.bind(max_tokens=90).ainvoke("again")
    policy = il.RunPolicy(budget=il.Budget(model_calls=5, tokens=100_000))
    async with build_desk(
        {"work": work}, build_step("work"), policy=policy, storage=url
    ) as desk:
        try:
            await desk.ainvoke("Test", thread_id="t")
        except il.UnfinishedRunError:
            result = await desk.aresume("t")
            print(result.status, result.usage.model_calls, result.outcomes["work"].reason)
        status = await desk.astatus("t")
        print(status.usage.model_calls)

asyncio.run(main())
"""


def run_child(*args: str) -> "subprocess.CompletedProcess[str]":
    """Run the team in a process of its own."""
    command = [sys.executable, "-c", CHILD, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_i11_a_call_that_a_kill_cut_off_counts_in_full(tmp_path: Path) -> None:
    """Of five calls, three are killed in flight; two more go out, and the fifth is the last."""
    record, url = tmp_path / "calls", f"sqlite:///{tmp_path / 'desk.db'}"
    for _ in range(KILLS):
        killed = run_child(url, str(record), "kill")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended = run_child(url, str(record), "last")
    assert ended.returncode == 0, ended.stderr
    assert len(record.read_text(encoding="utf-8").splitlines()) == 5
    assert ended.stdout.startswith("failed 5 ")
    assert "budget of 5 model calls" in ended.stdout
