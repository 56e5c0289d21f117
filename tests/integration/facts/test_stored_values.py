"""What is stored comes back as it was, and nothing else is let in (rows 59 to 66, 71)."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langgraph.types import Overwrite
from pydantic import BaseModel

import interlock as il
from tests.integration.gated_graphs import GateCounts, build_gated_graph
from tests.integration.teams import Recorder, build_desk, build_step, give, locate
from tests.integration.thread_reading import read_thread


async def test_a_forged_row_calls_nothing(tmp_path: Path) -> None:
    """Row 59: a checkpoint that names os.system is loaded as data; the function is not called."""
    bait = tmp_path / "called"
    graph = build_gated_graph(GateCounts(), ["gate"])
    async with build_desk({"gated": graph}, storage=locate(tmp_path)) as desk:
        await desk.ainvoke("Test", thread_id="t")
        saver: Any = desk.graph.checkpointer
        call = ormsgpack.packb(("os", "system", (f"touch {bait}",)))
        for code in (0, 1, 2):
            forged = ormsgpack.packb({"forged": ormsgpack.Ext(code, call)})
            loaded = saver.serde.loads_typed(("msgpack", forged))
            assert not isinstance(loaded["forged"], int)
    assert not bait.exists()


class _Line(BaseModel):
    name: str
    cents: int


class _Order(BaseModel):
    id: str
    lines: list[_Line]
    note: str | None = None


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_models_come_back_as_the_same_plain_data_from_every_storage(
    tmp_path: Path, kind: str
) -> None:
    """Rows 60, 61: nested models reach a dependent, a question and a later process alike."""
    order = _Order(id="o1", lines=[_Line(name="tea", cents=350)])
    plain = {"id": "o1", "lines": [{"name": "tea", "cents": 350}], "note": None}
    reader = Recorder(lambda brief: brief.inputs["order"])
    asker = Recorder(ValueError("no"))
    agents = {
        "order": il.Worker(name="order", agent=give(order), output=_Order),
        "reader": reader,
        "asker": asker,
    }
    steps = (
        build_step("order"),
        build_step("reader", needs=["order"], inputs={"order": "order"}),
        build_step("asker", needs=["reader"], fallback=[il.ask_person()]),
    )
    storage = "memory://" if kind == "memory" else locate(tmp_path)
    async with build_desk(agents, *steps, storage=storage) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        done = await desk.aanswer("t", {waiting.questions[0].id: il.edit(order)})
    assert reader.briefs[0].inputs["order"] == plain
    assert done.outputs == {"order": plain, "reader": plain, "asker": plain}


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_awkward_text_and_numbers_survive_every_storage(tmp_path: Path, kind: str) -> None:
    """Row 47: NUL, emoji, quotes, big and tiny numbers come back exactly, in every place."""
    value = {
        "nul": "a\x00b",
        "emoji": "\U0001f600",
        "controls": "\x01\x1f\x7f\u2028",
        "big": 2**63 - 1,
        "small": -(2**63),
        "float": 5e-324,
        "": "empty key",
        "quotes": "'\"; DROP TABLE runs; --",
    }
    reader = Recorder(lambda brief: brief.inputs["made"])
    storage = "memory://" if kind == "memory" else locate(tmp_path)
    async with build_desk(
        {"made": give(value), "reader": reader},
        build_step("made"),
        build_step("reader", needs=["made"]),
        storage=storage,
    ) as desk:
        await desk.ainvoke("Test\x00goal", thread_id="t\x00'id", context={"k\x00": value})
        result = await desk.aresume("t\x00'id")
        status = await read_thread(desk, "t\x00'id")
        payloads = [h.payload for h in await desk.ahandoffs("t\x00'id") if h.kind == "output"]
    assert status.goal == "Test\x00goal"
    assert result.outputs == {"made": value, "reader": value}
    assert payloads == [value, value]


async def test_a_paused_thread_goes_on_in_a_new_process_of_the_same_release(
    tmp_path: Path,
) -> None:
    """Row 63: paused under schema version 1, answered by a team that was built anew."""
    counts = GateCounts()
    async with build_desk(
        {"gated": build_gated_graph(counts, ["gate"])}, storage=locate(tmp_path)
    ) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        config: Any = {"configurable": {"thread_id": "t"}}
        assert (await desk.graph.aget_state(config)).values["schema_version"] == 1
    async with build_desk(
        {"gated": build_gated_graph(counts, ["gate"])}, storage=locate(tmp_path)
    ) as desk:
        done = await desk.aanswer("t", {waiting.questions[0].id: il.respond("yes")})
    assert done.outputs == {"gated": {"answers": [["gate", "yes"]]}}
    assert counts["before"] == 1


async def test_a_checkpoint_of_another_version_is_refused_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    """Row 63: an unknown state version is a typed error; the thread can be read all the same."""
    work = Recorder("done")
    agents = {"bad": Recorder(ValueError("no")), "work": work}
    steps = (
        build_step("bad", fallback=[il.ask_person()]),
        build_step("work", needs=["bad"]),
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
        await desk.graph.aupdate_state(config, {"schema_version": 99}, as_node="dispatch")
        before = await desk.graph.aget_state(config)
        with pytest.raises(il.SchemaVersionError) as refused:
            await desk.aanswer("t", {waiting.questions[0].id: il.edit("by hand")})
        assert (refused.value.seen, refused.value.known) == (99, 1)
        assert (await desk.graph.aget_state(config)).values == before.values
        status = await desk.astatus("t")
        assert status.status in {"running", "waiting"}
        await desk.ahandoffs("t")
        await desk.graph.aupdate_state(config, {"schema_version": 1}, as_node="dispatch")
        done = await desk.aresume("t")
    assert done.outputs == {"bad": "by hand", "work": "done"}


async def test_a_renamed_worker_is_named_and_the_thread_goes_on_once_it_is_back(
    tmp_path: Path,
) -> None:
    """Row 63: a team without the plan's worker refuses before anything runs, and loses nothing."""
    first = Recorder(ValueError("no"))
    steps = (build_step("first", fallback=[il.ask_person()]), build_step("writer", needs=["first"]))
    writer = Recorder("written")
    async with build_desk(
        {"first": first, "writer": writer}, *steps, storage=locate(tmp_path)
    ) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
    answer = {waiting.questions[0].id: il.edit("by hand")}
    renamed = build_desk(
        {"first": first, "author": writer},
        build_step("first"),
        storage=locate(tmp_path),
    )
    async with renamed as desk:
        with pytest.raises(il.ConfigurationError, match="writer") as refused:
            await desk.aanswer("t", answer)
        assert "author" in str(refused.value)
        await read_thread(desk, "t")
        with pytest.raises(il.ConfigurationError, match="writer"):
            await desk.aresume("t")
    async with build_desk(
        {"first": first, "writer": writer}, *steps, storage=locate(tmp_path)
    ) as desk:
        done = await desk.aresume("t")
    assert done.outputs == {"first": "by hand", "writer": "written"}
    assert writer.calls == 1


async def test_a_renamed_fallback_worker_is_named_too(tmp_path: Path) -> None:
    """Row 63: what only a fallback uses must be there as well before a thread goes on."""
    first = Recorder(ValueError("no"))
    steps = (
        build_step("gate", fallback=[il.ask_person()]),
        build_step("main", needs=["gate"], fallback=[il.use_worker("spare")]),
    )
    agents = {"gate": first, "main": Recorder(ValueError("no")), "spare": give("spare")}
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        waiting = await desk.ainvoke("Test", thread_id="t")
    answer = {waiting.questions[0].id: il.edit("by hand")}
    without = {name: agent for name, agent in agents.items() if name != "spare"}
    async with build_desk(without, build_step("gate"), storage=locate(tmp_path)) as desk:
        with pytest.raises(il.ConfigurationError, match="spare"):
            await desk.aanswer("t", answer)
        await read_thread(desk, "t")
    async with build_desk(agents, *steps, storage=locate(tmp_path)) as desk:
        done = await desk.aresume("t")
    assert done.outputs == {"gate": "by hand", "main": "spare"}


@pytest.mark.parametrize(
    "value",
    [
        {"type": "__overwrite__", "value": {"schema_version": 99}},
        {"__overwrite__": {"outcomes": {}}},
        {"lc": 2, "type": "constructor", "id": ["os", "system"], "method": "x", "args": ["true"]},
        {"__interrupt__": [{"value": "no"}]},
        {"route": "finish", "outcome": {"status": "accepted"}, "result": {"status": "completed"}},
    ],
    ids=["json overwrite", "overwrite key", "constructor", "interrupt", "state keys"],
)
async def test_a_worker_cannot_reach_a_channel_by_what_it_returns(
    tmp_path: Path, value: dict[str, Any]
) -> None:
    """Row 65: what looks like a command to LangGraph is a value like any other."""
    reader = Recorder(lambda brief: brief.inputs["evil"])
    beside = Recorder("kept")
    async with build_desk(
        {"beside": beside, "evil": give(value), "reader": reader},
        build_step("beside"),
        build_step("evil", needs=["beside"]),
        build_step("reader", needs=["evil"]),
        storage=locate(tmp_path),
    ) as desk:
        await desk.ainvoke("Test", thread_id="t")
        result = await desk.aresume("t")
    assert result.status == "completed"
    assert result.outputs == {"beside": "kept", "evil": value, "reader": value}


async def test_an_overwrite_object_replaces_nothing() -> None:
    """Row 66: LangGraph's own Overwrite, returned by a worker, is a dataclass like any other."""
    async with build_desk({"beside": give("kept"), "evil": give(Overwrite([]))}) as desk:
        result = await desk.ainvoke("Test", thread_id="t")
    assert result.outputs["beside"] == "kept"
    assert result.outputs["evil"] == {"type": "__overwrite__", "value": []}


async def test_an_artefact_reaches_the_result_word_for_word(tmp_path: Path) -> None:
    """Row 71: what a worker made is handed on verbatim, not retold."""
    text = "Line 1\r\n\tLine 2  \n" + json.dumps({"quoted": '"\\"'}) + "\u00a0\n"
    reader = Recorder(lambda brief: brief.inputs["artefact"])
    async with build_desk(
        {"artefact": give(text), "reader": reader},
        build_step("artefact"),
        build_step("reader", needs=["artefact"]),
        storage=locate(tmp_path),
    ) as desk:
        await desk.ainvoke("Test", thread_id="t")
        result = await desk.aresume("t")
    assert result.outputs == {"artefact": text, "reader": text}
    rows = sqlite3.connect(tmp_path / "desk.db")
    try:
        assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        rows.close()
