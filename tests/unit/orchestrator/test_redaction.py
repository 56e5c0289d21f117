"""What is hidden of a recorded attempt before it leaves the storage."""

from datetime import UTC, datetime
from typing import Any

import interlock as il
from interlock.contracts.effects import EffectRecord
from interlock.contracts.replay import Recording, ReplaySide
from interlock.orchestrator.redaction import redact
from interlock.tools.canonical_arguments import derive_arguments_hash

MAIL, PIN = 'ada"s@example.org', 4711
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def build_recording(**brief: Any) -> Recording:
    """Return an attempt that quotes a secret wherever one can be quoted."""
    told = f"{MAIL} has the pin {PIN}"
    shown = {
        "step_id": "pay",
        "attempt": 2,
        "instruction": f"Write to {MAIL}",
        "inputs": {"user": {"email": MAIL, "name": "Ada"}, "total": 147110},
        "context": {"pin": PIN},
        "criteria": [],
        "feedback": [f"Attempt 1: {told} (saw {{'email': {MAIL!r}, 'pin': {PIN}}})", "pin 471 ..."],
        "scratchpad": ['{"email": "ada\\"s@example.org"}'],
        **brief,
    }
    arguments: dict[str, Any] = {"to": MAIL, "kind": "mail"}
    effect = EffectRecord(
        key="k",
        thread_id="t",
        epoch=0,
        step_id="pay",
        worker="kind",
        tool="send",
        arguments=arguments,
        arguments_hash=derive_arguments_hash(arguments),
        ordinal=0,
        state="done",
        tries=1,
        answer={"pin": PIN, "said": told},
        note=told,
        began_at=BEGAN,
    )
    finding = il.Finding(
        criterion=told,
        passed=False,
        message=told,
        evidence={"output.email": MAIL, "output.email.size": 99, 'inputs["pin"]': 1},
        kind="check",
    )
    step = il.Step(
        id="pay",
        worker="kind",
        instruction=f"Write to {MAIL}",
        criteria=[il.check("kind"), il.rubric(f"Is it for {MAIL}?")],
        fallback=[il.use_value({"email": MAIL})],
    )
    return Recording(
        thread_id="t",
        path="pay",
        superstep="s",
        attempt=2,
        step=step,
        brief=shown,
        brief_hash="0",
        output=ReplaySide(
            worker="kind", value={"email": MAIL}, accepted=False, findings=(finding,)
        ),
        effects=(effect,),
    )


def test_a_hidden_value_stands_nowhere_in_any_spelling() -> None:
    """Under its name, in feedback, findings, notes, answers, cut off, in Python's words or JSON's."""
    text = repr(redact(build_recording(), ["email", "pin"]).model_dump(mode="json"))
    for secret in ("ada", "s@example", "4711 ", "4711'", "4711}", "4711)", "pin 471"):
        assert secret not in text, secret
    assert "99" not in text
    assert "147110" in text
    assert "Ada" in text


def test_what_is_hidden_makes_a_brief_and_calls_of_its_own() -> None:
    """The brief can be made again, and a call with hidden arguments finds its recorded answer."""
    hidden = redact(build_recording(), ["email", "pin"])
    assert hidden.build_brief().inputs["user"]["email"] == "[redacted]"
    assert hidden.effects[0].arguments == {"to": "[redacted]", "kind": "mail"}
    assert hidden.effects[0].arguments_hash == derive_arguments_hash(
        {"to": "[redacted]", "kind": "mail"}
    )


def test_names_of_the_contract_are_never_hidden() -> None:
    """A value that is called like a kind, a worker or a check leaves these as they are."""
    recording = build_recording(inputs={"kind": "kind", "value": "check", "inputs": "done"})
    hidden = redact(recording, ["kind", "value", "inputs", "state", "name"])
    assert (hidden.step.worker, hidden.output.worker) == ("kind", "kind")
    assert [one.kind for one in hidden.step.criteria] == ["check", "rubric"]
    assert hidden.step.criteria[0] == il.check("kind")
    assert (hidden.effects[0].state, hidden.output.findings[0].kind) == ("done", "check")
    assert hidden.brief["inputs"] == dict.fromkeys(("kind", "value", "inputs"), "[redacted]")


def test_without_such_names_nothing_changes() -> None:
    """Short values and other names are left alone; only the brief's hash is that of the brief."""
    recording = build_recording(inputs={"no": "x", "yes": True})
    hidden = redact(recording, ["no", "yes"])
    before, after = (one.model_dump(exclude={"brief", "brief_hash"}) for one in (recording, hidden))
    assert before == after
    assert hidden.brief["feedback"] == recording.brief["feedback"]
