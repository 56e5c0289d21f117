"""Judges: rubrics decided by a quorum, on evidence, and never in silence when they cannot be."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.types import interrupt

import interlock as il
from interlock.criteria.evidence_quotes import QuotableText

Verdict = Callable[[il.JudgeRequest], Any]


async def write(brief: il.Brief) -> dict[str, object]:
    """Write one draft, or a mended one when there is feedback."""
    return {"text": "Your parcel is on its way." if brief.feedback else "Parcel? No idea."}


def build_desk(*judges: Verdict, rubric: Any, **step: object) -> il.Orchestrator:
    """Return a team of one writer whose draft is judged."""
    plan = il.TaskGraph(
        goal="g",
        steps=[
            il.Step.model_validate(
                {
                    "id": "reply",
                    "worker": "write",
                    "instruction": "Reply to the customer",
                    "arguments": {"question": "Where is it?"},
                    "criteria": [rubric] if rubric is not None else [],
                    "retry": {"max_attempts": 2},
                    **step,
                }
            )
        ],
    )
    workers = [il.Worker(name="write", agent=write)]
    return il.Orchestrator(workers=workers, planner=plan, judges=judges, storage="memory://")


def say(name: str, verdict: str, *evidence: str, reason: str = "") -> Verdict:
    """Return a judge that always says the same."""

    async def judge(request: il.JudgeRequest) -> il.Judgement:
        return il.Judgement.model_validate(
            {"verdict": verdict, "reason": reason, "evidence": evidence}
        )

    judge.__name__ = name
    return judge


def kind(request: il.JudgeRequest) -> il.Judgement:
    """Judge by whether the customer is told something."""
    text = request.output["text"]
    if "No idea" in text:
        return il.Judgement(verdict="fail", reason="it is rude", evidence=("No idea.",))
    return il.Judgement(verdict="pass", evidence=(text,))


async def test_a_failed_rubric_is_feedback_for_the_next_attempt() -> None:
    """A judge's reason reaches the worker, and journal and finding hold who said what, with quotes."""
    async with build_desk(kind, rubric=il.rubric("Is kind")) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        first = next(h for h in await desk.ahandoffs("t") if h.kind == "output")
    assert result.status == "completed"
    assert first.verdict is not None
    (finding,) = first.verdict.findings
    assert (finding.criterion, finding.passed, finding.message) == (
        "Is kind",
        False,
        "kind: it is rude",
    )
    assert finding.evidence == [
        {"judge": "kind", "verdict": "fail", "reason": "it is rude", "evidence": ["No idea."]}
    ]


async def test_a_judge_is_shown_output_criteria_and_inputs_only() -> None:
    """A judge sees neither the instruction, nor the context, nor the goal; and can change nothing."""
    seen: list[il.JudgeRequest] = []

    def look(request: il.JudgeRequest) -> bool:
        seen.append(request)
        with pytest.raises(TypeError):
            request.output["text"] = "mine"
        return True

    async with build_desk(look, rubric=il.rubric("Is kind")) as desk:
        await desk.ainvoke("g", thread_id="t", context={"secret": 1})
    (request,) = seen
    assert request == il.JudgeRequest(
        rubric="Is kind",
        output={"text": "Parcel? No idea."},
        criteria=("Is kind",),
        inputs=request.inputs,
    )
    assert request.inputs == {"question": "Where is it?"}


@pytest.mark.parametrize(
    ("verdicts", "quorum", "passed"),
    [
        (("pass", "pass", "fail"), None, True),
        (("pass", "fail", "fail"), None, False),
        (("pass", "pass", "fail"), 3, False),
        (("pass", "undecided", "undecided"), None, False),
        (("pass", "undecided", "undecided"), 1, True),
        (("pass", "fail", "undecided"), 1, False),
    ],
)
async def test_a_quorum_decides(
    verdicts: tuple[str, ...], quorum: int | None, passed: bool
) -> None:
    """So many must agree as declared, more than half by default; a tie at the quorum is undecided."""
    judges = [say(f"j{n}", verdict) for n, verdict in enumerate(verdicts)]
    async with build_desk(*judges, rubric=il.rubric("Is kind", quorum=quorum)) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status == "completed") is passed


def fail_loudly(request: il.JudgeRequest) -> bool:
    """Raise."""
    raise ConnectionError("no line")


def pause(request: il.JudgeRequest) -> bool:
    """Try to pause the run."""
    return bool(interrupt("may I?"))


def babble(request: il.JudgeRequest) -> Any:
    """Return no judgement."""
    return "it is fine, pass it"


async def never(request: il.JudgeRequest) -> bool:
    """Answer never."""
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        (fail_loudly, "raised ConnectionError: no line"),
        (pause, "neither pauses nor steers"),
        (babble, "must return a Judgement or a bool"),
        (never, "within 0.05 s, all the time its step has"),
        (say("liar", "pass", "All is well"), "occurs neither in the output nor in the inputs"),
        (say("unsure", "undecided", reason="too short"), "too short"),
    ],
)
async def test_a_judge_that_fails_decides_nothing(judge: Verdict, words: str) -> None:
    """Its own failure, or evidence that nobody said, is undecided: by default that fails, in words."""
    desk = build_desk(judge, rubric=il.rubric("Is kind"), timeout=0.05, retry={"max_attempts": 1})
    async with desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert result.status == "failed"
    (finding,) = result.outcomes["reply"].findings
    assert "could not be decided" in finding.message
    assert words in finding.message


async def test_undecided_may_pass_if_declared_and_says_so() -> None:
    """The declared default `pass` lets the output through, with the words in the finding."""
    rubric = il.rubric("Is kind", undecided="pass")
    async with build_desk(fail_loudly, rubric=rubric) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    (finding,) = result.outcomes["reply"].findings
    assert (result.status, finding.passed) == ("completed", True)
    assert "Undecided passes, as declared" in finding.message


async def test_undecided_may_be_put_to_a_person() -> None:
    """The declared default `ask` parks the step: no attempt is spent, and a person decides."""
    rubric = il.rubric("Is kind", undecided="ask")
    async with build_desk(fail_loudly, rubric=rubric) as desk:
        result = await desk.ainvoke("g", thread_id="t")
        (asked,) = result.questions
        assert asked.kind == "output"
        assert "no line" in asked.description
        result = await desk.aanswer("t", {asked.id: il.approve()})
    assert (result.status, result.outcomes["reply"].attempts) == ("completed", 1)
    assert result.outcomes["reply"].approved_by_person


async def test_judges_are_not_asked_where_code_has_decided() -> None:
    """A deterministic criterion that fails saves the judges' calls."""
    asked: list[str] = []

    def note(request: il.JudgeRequest) -> bool:
        asked.append(request.output["text"])
        return True

    plan_step = {"criteria": [il.rubric("Is kind"), il.expr("!output.text.contains('No idea')")]}
    async with build_desk(note, rubric=None, **plan_step) as desk:
        result = await desk.ainvoke("g", thread_id="t")
    assert (result.status, asked) == ("completed", ["Your parcel is on its way."])
    assert result.outcomes["reply"].findings[0].criterion == "Is kind"


async def test_a_cancel_reaches_judges() -> None:
    """A run that is cancelled while a judge thinks ends at once, cancelled."""
    thinking = asyncio.Event()

    async def think(request: il.JudgeRequest) -> bool:
        thinking.set()
        await asyncio.Event().wait()
        return True

    async with build_desk(think, rubric=il.rubric("Is kind")) as desk:
        running = asyncio.create_task(desk.ainvoke("g", thread_id="t"))
        await thinking.wait()
        await desk.acancel("t", why="enough")
        result = await asyncio.wait_for(running, timeout=timedelta(seconds=20).total_seconds())
    assert result.status == "cancelled"


@pytest.mark.parametrize(
    ("rubric", "words"),
    [
        (il.rubric("Is kind", judges=["kund"]), "'kund', whom this team does not have"),
        (il.rubric("Is kind", quorum=2), "wants 2 judges to agree and asks 1"),
    ],
)
async def test_rubrics_that_cannot_be_decided_are_plan_errors(rubric: Any, words: str) -> None:
    """Unknown judges and unreachable quorums are refused before anything runs."""
    async with build_desk(kind, rubric=rubric) as desk:
        with pytest.raises(il.PlanError, match=words):
            await desk.ainvoke("g", thread_id="t")


@pytest.mark.parametrize("judges", [(kind, kind), ("no judge",)])
def test_judges_that_cannot_be_told_apart_or_judge_are_refused(judges: Any) -> None:
    """Two of one name, and what cannot be called."""
    with pytest.raises(il.ConfigurationError, match="judge"):
        build_desk(*judges, rubric=il.rubric("Is kind"))


async def test_judges_that_swallow_refusals_end_no_run() -> None:
    """A judge that calls a model on and on beyond the budget is cut off; the step fails, in words."""
    model = GenericFakeChatModel(messages=iter([AIMessage("yes")] * 99))
    calls: list[int] = []

    async def stubborn(request: il.JudgeRequest) -> bool:
        while True:
            try:
                await model.ainvoke("Is it kind?")
                calls.append(1)
            except il.InterlockError:
                await asyncio.sleep(0)

    desk = build_desk(stubborn, rubric=il.rubric("Is kind"), budget={"model_calls": 2})
    async with desk:
        result = await asyncio.wait_for(desk.ainvoke("g", thread_id="t"), timeout=20)
        first = next(h for h in await desk.ahandoffs("t") if h.kind == "output")
    assert (result.status, len(calls)) == ("failed", 2)
    assert first.verdict is not None
    assert "could not be decided" in first.verdict.findings[0].message


SAID = {
    "text": "Parcel? No idea. It is lost.",
    "status": "lost",
    "tries": 3,
    "note": "ok",
    "words": "\u4efb\u52a1\u6210\u529f",
    "long": "We looked at this with the depot, and that parcel cannot be found; 2 of 9 are paid for.",
}


@pytest.mark.parametrize(
    ("quote", "holds"),
    [
        ("No idea", True),
        ("no  IDEA.", True),
        ("idea", True),
        ("ok", True),  # all that was said there
        ("3", True),
        ('"tries": 3', True),
        ("\u6210\u529f", True),
        ("\u6210", False),
        ("cannot be found", True),
        ("2 of", True),
        ("are paid", True),
        ("this", False),  # short words of a longer text, alone or together
        ("we", False),
        ("for", False),
        ('"long": "We', False),
        ('"note": "ok"', True),
        ("is", False),
        ("ide", False),
        ("a", False),
        ("{", False),
        ("", False),
        ("status", False),
        ('"text"', False),
    ],
)
def test_a_quote_is_whole_words_that_say_something(quote: str, holds: bool) -> None:
    """Letters, short words and names that occur in everything are no evidence."""
    assert QuotableText([SAID]).holds(quote) is holds


async def test_quotes_that_are_not_believed_are_shown_as_such() -> None:
    """Beside one that was said they change nothing, and are not lost; alone they decide nothing."""
    mixed = say("mixed", "fail", "No idea.", "Go away.", reason="rude")
    vain = say("vain", "pass", "is", "text")
    desk = build_desk(mixed, vain, rubric=il.rubric("Is kind", quorum=1), retry={"max_attempts": 1})
    async with desk:
        result = await desk.ainvoke("g", thread_id="t")
    (finding,) = result.outcomes["reply"].findings
    first, second = finding.evidence
    assert (first["evidence"], first["not_believed"]) == (["No idea."], ["Go away."])
    assert (second["verdict"], second["not_believed"]) == ("undecided", ["is", "text"])
    assert result.status == "failed"


async def test_feedback_says_a_failed_rubric_once() -> None:
    """The reasons of those who failed it and the words that they quote; of the others nothing."""
    briefs: list[il.Brief] = []

    async def work(brief: il.Brief) -> dict[str, str]:
        briefs.append(brief)
        return {"text": "Parcel? No idea."}

    judges = [
        say("one", "fail", "No idea.", reason="it is rude"),
        say("two", "fail", "No idea.", "Parcel?", reason="it is rude"),
        say("kind", "pass", "Parcel?", reason="it is short"),
    ]
    step = il.Step(
        id="a",
        worker="work",
        instruction="Reply",
        criteria=[il.rubric("Is kind")],
        retry=il.Retry(max_attempts=2),
    )
    desk = il.Orchestrator(
        workers=[il.Worker(name="work", agent=work)],
        planner=il.TaskGraph(goal="g", steps=[step]),
        judges=judges,
        storage="memory://",
    )
    async with desk:
        await desk.ainvoke("g", thread_id="t")
    (line,) = briefs[1].feedback
    assert line == (
        "Attempt 1: Is kind: one: it is rude; two: it is rude (saw 'No idea.', 'Parcel?')"
    )


async def test_feedback_of_judges_who_say_much_is_cut_and_keeps_their_quotes() -> None:
    """However long reasons and quotes are, a line of feedback is short and shows both."""
    briefs: list[il.Brief] = []
    text = "No idea. " + "Ask somebody else about it. " * 100

    async def work(brief: il.Brief) -> dict[str, str]:
        briefs.append(brief)
        return {"text": text}

    for quotes in ((), ("No idea.",), (text[3 : 9 + 28 * 90],)):
        judge = say("long", "fail", *quotes, reason="it is rude; " * 400)
        step = il.Step(
            id="a",
            worker="work",
            instruction="Reply",
            criteria=[il.rubric("Is kind " + "and polite " * 90)],
            retry=il.Retry(max_attempts=2),
        )
        desk = il.Orchestrator(
            workers=[il.Worker(name="work", agent=work)],
            planner=il.TaskGraph(goal="g", steps=[step]),
            judges=[judge],
            storage="memory://",
        )
        async with desk:
            await desk.ainvoke("g", thread_id="t")
        (line,) = briefs[-1].feedback
        assert len(line) <= 1020
        assert line.startswith("Attempt 1: Is kind and polite ")
        assert "...: long: it is rude; " in line
        assert ("(saw '" in line) == bool(quotes)


async def test_an_empty_quote_is_no_quote() -> None:
    """A model that fills its list with nothing has quoted nothing, and no lie either."""
    desk = build_desk(say("one", "pass", "", " "), rubric=il.rubric("Is kind"))
    async with desk:
        result = await desk.ainvoke("g", thread_id="t")
    (finding,) = result.outcomes["reply"].findings
    assert (result.status, finding.passed, finding.undecided) == ("completed", True, False)
    assert finding.evidence == [{"judge": "one", "verdict": "pass", "reason": "", "evidence": []}]
