"""The teams of `langgraph.json` under `langgraph dev`, driven as Studio drives them."""

import json
from collections import defaultdict
from typing import Any

import pytest

from interlock.demo.packaged_data import TICKETS_FILE
from interlock.demo.shop import Shop
from tests.integration.studio.conftest import DevServer
from tests.integration.studio.studio_thread import StudioThread

pytestmark = pytest.mark.xdist_group("dev_server")

GOAL = "Where is order 17?"
LETTER = "Dear Ada, your order is shipped."
APPROVE = {"type": "approve"}

RUN_NODES = {"__start__", "intake", "planner", "supervisor", "escalate", "finish", "__end__"}
STEP_NODES = {"__start__", "brief", "review", "promote", "fallback", "park", "degrade", "__end__"}
WORKER_NODES = {
    "minimal_team": {"look_up", "writer:greet", "writer:compose", "sender"},
    "retail_desk": {"records", "orders", "clerk"},
}


@pytest.fixture
def thread(server: DevServer) -> StudioThread:
    """Return a new thread of the minimal team."""
    return StudioThread(server, "minimal_team")


def draw(server: DevServer, team: str, **options: Any) -> Any:
    """Return a team's drawn graph."""
    [assistant] = server.client.assistants.search(graph_id=team)
    return server.client.assistants.get_graph(assistant["assistant_id"], **options)


@pytest.mark.parametrize("team", ["minimal_team", "retail_desk"])
def test_a_team_loads_with_its_forms(server: DevServer, team: str) -> None:
    """A team is listed with its description, a form for its input and one for its context."""
    config = json.loads((server.folder / "langgraph.json").read_text())
    [assistant] = server.client.assistants.search(graph_id=team)
    assert assistant["description"] == config["graphs"][team]["description"]
    schemas = server.client.assistants.get_schemas(assistant["assistant_id"])
    fields = {
        name: {field: shape["type"] for field, shape in schemas[name]["properties"].items()}
        for name in ("input_schema", "context_schema")
    }
    assert fields == {
        "input_schema": {"goal": "string", "context": "object"},
        "context_schema": {"stepwise": "boolean"},
    }


@pytest.mark.parametrize("team", ["minimal_team", "retail_desk"])
def test_the_expanded_drawing_names_every_node_in_words(server: DevServer, team: str) -> None:
    """Expanded, dispatch shows the step graph, and the step graph every worker by its name."""
    nodes = {node["id"] for node in draw(server, team, xray=True)["nodes"]}
    inside = {f"dispatch:{name}" for name in STEP_NODES | WORKER_NODES[team]}
    assert nodes == RUN_NODES | inside


def test_the_drawing_tells_what_a_worker_is_for(server: DevServer) -> None:
    """A worker's node carries its role and its description."""
    nodes = {node["id"]: node for node in draw(server, "retail_desk", xray=True)["nodes"]}
    assert nodes["dispatch:orders"]["metadata"] == {
        "role": "worker",
        "description": "Changes orders and customers in the shop, one call a step.",
    }


@pytest.mark.parametrize("team", ["minimal_team", "retail_desk"])
def test_the_drawing_leads_from_workers_to_review_alone(server: DevServer, team: str) -> None:
    """In what a person sees, every way out of a worker ends at the supervisor's review."""
    edges = draw(server, team, xray=True)["edges"]
    workers = {f"dispatch:{name}" for name in WORKER_NODES[team]}
    ways_out = {e["target"] for e in edges if e["source"] in workers and e["target"] not in workers}
    assert ways_out == {"dispatch:review"}


def test_a_run_streams_every_node_under_its_own_namespace(thread: StudioThread) -> None:
    """Steps stream under their names, a worker that is a graph below its step."""
    seen = thread.stream(input={"goal": GOAL}, stream_mode=["updates", "values"])
    nodes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for mode, namespace, data in seen:
        if mode == "updates":
            nodes[namespace] += data
    top = nodes.pop(())
    assert [name for name in top if not name.startswith("step:")] == [
        *("intake", "planner", "supervisor", "dispatch", "supervisor", "__interrupt__")
    ]
    assert nodes == {
        ("dispatch", "step:order"): ["brief", "look_up", "review", "promote"],
        ("dispatch", "step:reply"): ["brief", "writer", "review", "promote"],
        ("dispatch", "step:reply", "writer"): ["greet", "compose"],
        ("dispatch", "step:send"): ["brief", "park"],
    }
    assert {namespace for mode, namespace, _ in seen if mode == "values"} == {(), *nodes}


@pytest.mark.parametrize("word", ["answers", "decisions"])
def test_a_question_is_answered_in_either_shape(thread: StudioThread, word: str) -> None:
    """The request has LangChain's shape; answers by question id and its decisions both count."""
    interrupt_id, request = thread.run(GOAL).asked
    assert request["action_requests"][0]["name"] == "send"
    assert request["action_requests"][0]["args"] == {"text": LETTER}
    assert request["review_configs"] == [
        {"action_name": "send", "allowed_decisions": ["approve", "edit", "reject", "respond"]}
    ]
    question_id = thread.question["id"]
    edited = {"name": "send", "args": {"text": "It is on its way."}}
    resume = {
        "answers": {question_id: APPROVE},
        "decisions": [{"question_id": question_id, "type": "edit", "edited_action": edited}],
    }[word]
    thread.resume({interrupt_id: {word: resume}})
    assert thread.values["status"] == "completed"
    expected = {"answers": LETTER, "decisions": "It is on its way."}[word]
    assert thread.outputs == {"send": {"sent": expected}}


def test_a_wrong_answer_is_refused_and_asked_again_with_the_reason(thread: StudioThread) -> None:
    """What fits no open question changes nothing, and the next request says why."""
    question_id = thread.run(GOAL).question["id"]
    stale = {**APPROVE, "shown_hash": "0" * 64}
    several = {"answers": {"q-nobody": APPROVE, question_id: stale}, "decisions": [APPROVE]}
    for wrong, reasons in (
        ("yes", ["The answer was 'yes'. Answer with"]),
        (
            several,
            ["does not name its question_id", "no open question 'q-nobody'", "something else by"],
        ),
    ):
        thread.resume({thread.asked[0]: wrong})
        problems = thread.asked[1]["problems"]
        assert all(reason in problem for reason, problem in zip(reasons, problems, strict=True))
        assert thread.question["id"] == question_id
        assert thread.values["outcomes"]["send"]["status"] == "waiting"
    assert thread.answer(APPROVE).values["status"] == "completed"


def test_workers_questions_are_answered_by_id_in_one_call(server: DevServer) -> None:
    """Two workers ask at once through `interrupt()`, and each gets the answer meant for it."""
    thread = StudioThread(server, "asking_team").run("Ask")
    asked = {item["value"]["asked_by"]: item["id"] for item in thread.interrupts}
    thread.resume({asked["right"]: "east", asked["left"]: "west"})
    outcomes = thread.values["outcomes"]
    assert {step: outcomes[step]["value"] for step in asked} == {"left": "west", "right": "east"}
    assert thread.question["step_id"] == "publish"


def test_an_answer_given_twice_reaches_no_other_question(server: DevServer) -> None:
    """The answer to one question, sent again, leaves the next one open, however it is sent."""
    thread = StudioThread(server, "asking_team").run("Ask")
    thread.resume({item["id"]: "here" for item in thread.interrupts})
    answers = {"answers": {thread.question["id"]: APPROVE}}
    by_id = {thread.asked[0]: answers}
    streamed = thread.stream(command={"resume": by_id}, stream_mode=["custom"])
    told = [(namespace[:2], data) for mode, namespace, data in streamed if mode == "custom"]
    assert told == [(("dispatch", "step:publish"), {"telling": "publish"})]
    for again in (by_id, answers):
        assert thread.resume(again).question["step_id"] == "archive"
        assert thread.values["outcomes"]["archive"]["status"] == "waiting"
    assert "no open question" in thread.asked[1]["problems"][0]
    assert thread.count_briefs() == {"left": 1, "right": 1, "publish": 1}


def test_a_run_goes_on_after_the_server_was_stopped_in_its_middle(server: DevServer) -> None:
    """Stopped while a worker works, the server takes the run up again, and no settled step."""
    thread = StudioThread(server, "gated_team")
    run_id = thread.start_and_leave("Pass the gate", when={"waiting": True})
    server.stop()
    (server.folder / "gate").write_text("open")
    server.start()
    server.client.runs.join(thread.id, run_id)
    assert thread.values["status"] == "completed"
    assert thread.outputs == {"second": "open"}
    assert thread.count_briefs() == {"first": 1, "second": 1}


def test_a_fork_runs_anew_and_leaves_the_original_unharmed(thread: StudioThread) -> None:
    """A changed goal at an earlier checkpoint gives another result; the first one still stands."""
    thread.run(GOAL).answer(APPROVE)
    original = thread.state
    thread.edit(thread.find_checkpoint("planner"), {"goal": "Where is order 18?"})
    thread.run(None)
    assert thread.asked[1]["action_requests"][0]["args"]["text"].startswith("Dear Grace,")
    thread.answer(APPROVE)
    assert thread.outputs == {"send": {"sent": "Dear Grace, your order is waiting for stock."}}
    kept = thread.read_at(original["checkpoint"]["checkpoint_id"])
    assert kept["values"] == original["values"]
    assert kept["values"]["result"]["outputs"] == {"send": {"sent": LETTER}}
    assert thread.count_briefs() == {"order": 2, "reply": 2, "send": 2}


def test_a_run_from_the_questions_checkpoint_asks_a_question_of_its_own(
    thread: StudioThread,
) -> None:
    """One approval lets one thing happen: a fork does not take the answer given before."""
    first = thread.run(GOAL).question["id"]
    thread.answer(APPROVE)
    original = thread.state
    thread.run(None, checkpoint_id=thread.find_checkpoint("escalate"))
    assert thread.question["id"] != first
    thread.resume({thread.asked[0]: {"answers": {first: APPROVE}}})
    assert "no open question" in thread.asked[1]["problems"][0]
    thread.answer({"type": "edit", "value": {"text": "Not yet."}})
    assert thread.outputs == {"send": {"sent": "Not yet."}}
    assert thread.read_at(original["checkpoint"]["checkpoint_id"])["values"] == original["values"]


def test_stepwise_keeps_a_checkpoint_after_every_settled_step(thread: StudioThread) -> None:
    """With `stepwise` in the run's context, the supervisor sees each outcome by itself."""
    whole = StudioThread(thread.server, "minimal_team").run(GOAL)
    stepwise = thread.run(GOAL, context={"stepwise": True})
    seen = {}
    for one in (whole, stepwise):
        at_supervisor = (state for state in one.history if state["next"] == ["supervisor"])
        seen[one.id] = [sorted(state["values"]["outcomes"]) for state in at_supervisor]
    assert seen == {
        whole.id: [[], ["order", "reply", "send"]],
        stepwise.id: [[], ["order"], ["order", "reply"], ["order", "reply", "send"]],
    }


def test_state_edited_between_two_steps_is_what_the_next_one_is_shown(
    thread: StudioThread,
) -> None:
    """After the first step its outcome is edited; the run goes on from there with the edit."""
    thread.run(GOAL, context={"stepwise": True})
    [point] = [
        state
        for state in thread.history
        if state["next"] == ["dispatch"] and list(state["values"]["outcomes"]) == ["order"]
    ]
    outcomes = point["values"]["outcomes"]
    assert outcomes["order"]["value"] == {"customer": "Ada", "status": "shipped"}
    outcomes["order"]["value"] = {"customer": "Ada", "status": "delivered"}
    thread.edit(point["checkpoint"]["checkpoint_id"], {"outcomes": outcomes})
    thread.run(None).answer(APPROVE)
    assert thread.outputs == {"send": {"sent": "Dear Ada, your order is delivered."}}
    assert thread.count_briefs() == {"order": 1, "reply": 2, "send": 1}


def test_the_retail_desk_answers_a_real_ticket(server: DevServer) -> None:
    """A packaged ticket completes, and leaves the shop in the recorded state."""
    ticket = json.loads(TICKETS_FILE.read_text())["tasks"][0]
    thread = StudioThread(server, "retail_desk").run(f"Answer ticket {ticket['id']}")
    assert thread.values["status"] == "completed"
    assert {outcome["status"] for outcome in thread.values["outcomes"].values()} == {"accepted"}
    assert len(thread.values["outcomes"]) == len(ticket["actions"]) + 1
    with Shop(server.folder / ".langgraph_api" / "shop.db") as shop:
        assert shop.derive_hash() == ticket["final_db_sha256"]
