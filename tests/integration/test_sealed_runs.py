"""A run on a sealed storage leaves nothing in clear that anybody said, and goes as on a plain one."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent

import interlock as il
from tests.integration.scripted_chat import ScriptedChat, call_tools
from tests.integration.teams import build_desk, build_step, locate

KEYS = il.Encryption(keys={"2026-11": bytes(range(32))}, active="2026-11")
CANARIES = {
    "agents-answer",
    "approval",
    "big-output",
    "cancel-reason",
    "criterion",
    "effect-answer",
    "effect-argument",
    "effect-error",
    "error",
    "goal",
    "instruction",
    "note",
    "output",
    "question",
    "seed",
}


def canary(name: str) -> str:
    """Return words that stand for what somebody said."""
    return f"canary-{name}."


@il.idempotent()
def pay(order: str) -> str:
    """Pay."""
    return canary("effect-answer")


@il.idempotent()
def pay_too_much(order: str) -> str:
    """Pay what the bank refuses."""
    raise il.PermanentError(canary("effect-error"))


def build_agent() -> Any:
    """Return an agent that pays by a tool."""
    turns = [call_tools(pay={"order": canary("effect-argument")}), canary("agents-answer")]
    return create_agent(ScriptedChat(turns=turns), tools=[pay])


async def overpay(brief: il.Brief) -> str:
    """Call a tool that is refused for good."""
    return pay_too_much("o2")


async def note(brief: il.Brief) -> str:
    """Note something, fail once, and return something big."""
    brief.scratchpad.append(canary("note"))
    if brief.attempt == 1:
        raise RuntimeError(canary("error"))
    return canary("big-output") * 2000


async def ask(brief: il.Brief) -> Any:
    """Return what nobody will accept."""
    return {"text": canary("question")}


def build_team(url: str, encryption: il.Encryption | None) -> il.Orchestrator:
    """Return a team that says something everywhere."""
    once_more = il.Retry(max_attempts=2, backoff=timedelta(0))
    return build_desk(
        {
            "agent": build_agent(),
            "overpay": overpay,
            "note": note,
            "ask": ask,
            "say": lambda brief: canary("output"),
        },
        build_step("agent", instruction=canary("instruction")),
        build_step("overpay", fallback=[il.use_value(None)]),
        build_step("note", retry=once_more),
        build_step(
            "ask",
            criteria=[il.expr(f"output.text == '{canary('criterion')}'")],
            fallback=[il.ask_person()],
        ),
        build_step("say", needs=["agent", "note"], publishes={"said": "output"}),
        storage=url,
        encryption=encryption,
    )


async def run(url: str, encryption: il.Encryption | None, folder: Path) -> tuple[Any, set[str]]:
    """Run the team to its end; return its result, and the canaries in the files meanwhile."""
    async with build_team(url, encryption) as desk:
        waiting = await desk.ainvoke(
            canary("goal"), thread_id="t", context={"seed": canary("seed")}
        )
        answers = {one.id: il.respond(canary("approval")) for one in waiting.questions}
        result = await desk.aanswer("t", answers)
        await desk.ainvoke("other", thread_id="u")
        await desk.acancel("u", why=canary("cancel-reason"))
        found = find_canaries(folder)
    return result, found | find_canaries(folder)


def find_canaries(folder: Path) -> set[str]:
    """Return the names of all canaries in all bytes of a folder."""
    return {
        match.decode()
        for file in folder.iterdir()
        for match in re.findall(rb"canary-([a-z-]+)\.", file.read_bytes())
    }


async def test_nothing_that_was_said_lies_in_clear(tmp_path: Path) -> None:
    """Goal, inputs, state, tool calls, errors, notes, answers: no byte of a file holds any."""
    plain, sealed = tmp_path / "plain", tmp_path / "sealed"
    plain.mkdir()
    sealed.mkdir()
    expected, found = await run(locate(plain), None, plain)
    assert found == CANARIES  # or this test could not fail
    result, found = await run(locate(sealed), KEYS, sealed)
    assert found == set()
    assert result.status == expected.status
    assert dict(result.outputs) == dict(expected.outputs)


async def test_a_sealed_run_is_read_by_the_next_process(tmp_path: Path) -> None:
    """What was sealed is there for whoever has the keys, and refused to others."""
    await run(locate(tmp_path), KEYS, tmp_path)
    async with build_team(locate(tmp_path), KEYS) as desk:
        status = await desk.astatus("t")
        assert status.goal == canary("goal")
        handoffs = await desk.ahandoffs("t")
        assert canary("effect-answer") in repr(await desk.aeffects("t"))
        assert len(handoffs) > 4
    with pytest.raises(il.SealedStorageError, match="2026-11"):
        async with build_team(locate(tmp_path), None):
            pass
