"""I10: an answer reaches only the question it was given to, once."""

import asyncio
import json
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import interlock as il
from interlock.contracts.ids import QuestionId, ThreadId
from tests.integration.teams import build_desk, build_step
from tests.invariants.asking_model import AskingThread, name_question
from tests.invariants.asking_team import AskingTeam
from tests.invariants.example_settings import draw_examples

THREADS = ("a", "b", "c")
threads = st.sampled_from(THREADS)

BAD = ["unknown", "foreign", "stale", "not allowed", "no words", "no object", "otherwise"]


class Answering(RuleBasedStateMachine):
    """Several threads with several open questions each, and answers of every sort.

    Attributes:
        models: Thread to what it must ask.
        ids: Thread to name to the id of its open question.
        given: Thread to question id to the one answer that was taken.
        refused: Words of answers that were not taken.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.models: dict[str, AskingThread] = {}
        self.ids: dict[str, dict[str, QuestionId]] = {}
        self.given: dict[str, dict[QuestionId, il.Answer]] = {}
        self.refused: set[str] = set()
        self.numbers = count(1)
        self.team = AskingTeam(self.wait(self._open_storage()))
        self.desk = self.team.build_desk()
        self.wait(self.desk.__aenter__())

    async def _open_storage(self) -> il.Storage:
        return await self.stack.enter_async_context(il.open_storage("memory://"))

    def wait(self, call: Awaitable[Any]) -> Any:
        async def run() -> Any:
            return await call

        return self.runner.run(run())

    def draw_answer(self, data: st.DataObject, thread: str, name: str) -> il.Answer:
        """Draw an answer that may be given, in words that no other answer has."""
        decision = data.draw(st.sampled_from(self.models[thread].list_decisions(name)))
        words = f"token-{next(self.numbers)}-"
        return {
            "approve": il.approve(),
            "edit": il.edit({"ok": True, "words": words}),
            "edit_badly": il.edit({"ok": False, "words": words}),
            "reject": il.reject(words),
            "respond": il.respond(words),
        }[decision]

    def draw_open(self, data: st.DataObject, thread: str) -> list[str]:
        names = sorted(self.ids[thread])
        return data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1))

    def take(self, thread: str, answers: Mapping[str, il.Answer]) -> None:
        """Let the model take answers, and learn the ids of what is asked next."""
        for name, answer in answers.items():
            self.given[thread][self.ids[thread].pop(name)] = answer
        self.models[thread].take(answers)
        self.learn(thread)

    def learn(self, thread: str) -> None:
        """Hold what is open against the model."""
        questions = self.wait(self.desk.aquestions(thread))
        found = {name_question(question): question.id for question in questions}
        assert found.keys() == self.models[thread].list_open()
        assert len(found) == len(questions)
        assert not self.given[thread].keys() & set(found.values())
        self.ids[thread] = found

    def has_open(self) -> bool:
        return any(self.ids.values())

    @initialize(planned=st.lists(st.sampled_from(THREADS), min_size=1, max_size=2, unique=True))
    def start_some(self, planned: list[str]) -> None:
        """Begin with threads whose plan is approved, where most can happen."""
        for thread in planned:
            self.start(thread)
            self.wait(self.desk.aanswer(thread, {self.ids[thread]["plan"]: il.approve()}))
            self.take(thread, {"plan": il.approve()})

    @rule(thread=threads)
    def start(self, thread: str) -> None:
        if thread in self.models:
            with pytest.raises((il.UnfinishedRunError, il.FinishedRunError)):
                self.wait(self.desk.ainvoke(thread, thread_id=thread))
            return
        self.models[thread] = AskingThread()
        self.given[thread] = {}
        self.wait(self.desk.ainvoke(thread, thread_id=thread))
        self.learn(thread)

    @precondition(has_open)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        thread = data.draw(st.sampled_from(sorted(t for t in self.ids if self.ids[t])))
        names = self.draw_open(data, thread)
        answers = {name: self.draw_answer(data, thread, name) for name in names}
        call = self.desk.aanswer(thread, {self.ids[thread][n]: a for n, a in answers.items()})
        result = self.wait(call)
        self.take(thread, answers)
        assert {q.id for q in result.questions} == set(self.ids[thread].values())

    @precondition(has_open)
    @rule(data=st.data(), sort=st.sampled_from(BAD), beside=st.booleans())
    def answer_badly(self, data: st.DataObject, sort: str, *, beside: bool) -> None:
        """What cannot be taken is refused with its error; so is what was given beside it."""
        thread = data.draw(st.sampled_from(sorted(t for t in self.ids if self.ids[t])))
        bad = self._make_bad(thread, sort)
        if bad is None:
            return
        identifier, answer, error = bad
        answers = {identifier: answer}
        if beside:
            others = [n for n in self.draw_open(data, thread) if self.ids[thread][n] != identifier]
            for name in others:
                other = self.draw_answer(data, thread, name)
                answers[self.ids[thread][name]] = other
                self.refused |= find_words(other)
        self.refused |= find_words(answer)
        with pytest.raises(error) as caught:
            self.wait(self.desk.aanswer(thread, answers))
        assert caught.value.question_id == identifier

    def _make_bad(self, thread: str, sort: str) -> tuple[str, il.Answer, type[Exception]] | None:
        own = self.ids[thread]
        identifier = own[min(own)]
        words = f"token-{next(self.numbers)}-"
        elsewhere = [i for t in self.ids if t != thread for i in self.ids[t].values()]
        match sort:
            case "unknown":
                return f"{identifier}0", il.respond(words), il.UnknownQuestionError
            case "foreign" if elsewhere:
                return elsewhere[0], il.respond(words), il.UnknownQuestionError
            case "stale":
                stale = il.respond(words).model_copy(update={"shown_hash": "0" * 64})
                return identifier, stale, il.StaleAnswerError
            case "not allowed" if "judge" in own and self.models[thread].shown is None:
                return own["judge"], il.approve(), il.InvalidAnswerError
            case "no words":
                return identifier, il.reject(""), il.InvalidAnswerError
            case "no object" if "gate" in own:
                return own["gate"], il.edit(words), il.InvalidAnswerError
            case "otherwise" if self.given[thread]:
                answered = min(self.given[thread])
                return answered, il.respond(words), il.StaleAnswerError
        return None

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same answer again is harmless, also when the run has moved on or ended."""
        answered = sorted((t, i) for t, given in self.given.items() for i in given)
        thread, identifier = data.draw(st.sampled_from(answered))
        self.wait(self.desk.aanswer(thread, {identifier: self.given[thread][identifier]}))

    @precondition(has_open)
    @rule(data=st.data(), same=st.booleans())
    def race(self, data: st.DataObject, *, same: bool) -> None:
        """Many calls at once, over threads: of each question's answers one is taken."""
        asked = [(t, n) for t in sorted(self.ids) for n in sorted(self.ids[t])]
        calls: list[tuple[str, str, il.Answer]] = []
        for thread, name in data.draw(st.lists(st.sampled_from(asked), unique=True, min_size=1)):
            answer = self.draw_answer(data, thread, name)
            another = answer if same else self.draw_answer(data, thread, name)
            calls += [(thread, name, answer), (thread, name, another)]
        outcomes = self.wait(self._call_together(calls))
        taken: dict[str, dict[str, il.Answer]] = {}
        for (thread, name, answer), outcome in zip(calls, outcomes, strict=True):
            if not isinstance(outcome, BaseException):
                assert taken.setdefault(thread, {}).setdefault(name, answer) == answer
            else:
                assert isinstance(outcome, il.StaleAnswerError), outcome
                self.refused |= find_words(answer)
        assert {(t, n) for t, names in taken.items() for n in names} == {c[:2] for c in calls}
        for thread, answers in taken.items():
            self.take(thread, answers)

    async def _call_together(self, calls: list[tuple[str, str, il.Answer]]) -> list[Any]:
        return await asyncio.gather(
            *(self.desk.aanswer(t, {self.ids[t][name]: answer}) for t, name, answer in calls),
            return_exceptions=True,
        )

    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        """A resume answers nothing."""
        self.wait(self.desk.aresume(data.draw(st.sampled_from(sorted(self.models)))))

    @rule()
    def open_again(self) -> None:
        """A desk of another process asks the same."""
        self.wait(self.desk.__aexit__(None, None, None))
        self.desk = self.team.build_desk()
        self.wait(self.desk.__aenter__())

    @invariant()
    def only_what_the_model_says_is_open(self) -> None:
        for thread in self.models:
            before = dict(self.ids[thread])
            self.learn(thread)
            assert self.ids[thread] == before

    def teardown(self) -> None:
        try:
            for thread in self.models:
                self.finish(thread)
        finally:
            self.wait(self.desk.__aexit__(None, None, None))
            self.wait(self.stack.aclose())
            self.runner.close()

    def finish(self, thread: str) -> None:
        """Answer what is open until nothing is, then hold all that came of it to the model."""
        model = self.models[thread]
        while self.ids[thread]:
            last = {"judge": il.edit({"ok": True}), "plan": il.approve()}
            answers = {name: last.get(name, il.approve()) for name in self.ids[thread]}
            self.wait(
                self.desk.aanswer(thread, {self.ids[thread][n]: a for n, a in answers.items()})
            )
            self.take(thread, answers)
        result = self.wait(self.desk.aresume(thread))
        assert result.outputs == {s: v for s, v in model.settled.items() if v is not None}
        failed = [step for step, value in model.settled.items() if value is None]
        assert result.status == ("failed" if failed else "completed")
        assert self.team.planner_heard.get(thread, []) == model.planner_heard
        self.require_journal(thread)

    def require_journal(self, thread: str) -> None:
        """Each taken answer is handed over once, as it was given; no refused one ever is."""
        handoffs = self.wait(self.desk.ahandoffs(thread))
        found = [h.payload for h in handoffs if h.kind == "answer"]
        said = {each["question_id"]: il.Answer.model_validate(each["answer"]) for each in found}
        assert len(said) == len(found)
        recorded = self.wait(self.desk._open_storage.load_answers(ThreadId(thread)))
        assert {key: each.answer for key, each in recorded.items()} == self.given[thread]
        assert said == self.given[thread]
        asked = [h.payload["id"] for h in handoffs if h.kind == "question"]
        assert sorted(asked) == sorted(self.given[thread])
        text = json.dumps([h.payload for h in handoffs])
        assert not [words for words in self.refused if words in text]


def find_words(answer: il.Answer) -> set[str]:
    """Return the words that only this answer has."""
    value = answer.value["words"] if isinstance(answer.value, dict) else answer.value
    return {words for words in (value, answer.message) if words}


async def test_i10_no_answer_is_lost_while_another_is_being_taken() -> None:
    """I10: an answer that comes at any instant of another's taking is taken too, by one of both."""

    async def work(brief: il.Brief) -> Any:
        return brief.dump()["inputs"]

    steps = [build_step(name, "work", approval="true") for name in ("a", "b")]
    async with build_desk({"work": work}, *steps) as desk:
        for turns in range(0, 320, 8):
            waiting = await desk.ainvoke("Test", thread_id=f"t{turns}")
            first, second = waiting.questions
            taking = asyncio.ensure_future(
                desk.aanswer(f"t{turns}", {first.id: il.edit({"for": first.name})})
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            await desk.aanswer(f"t{turns}", {second.id: il.edit({"for": second.name})})
            await taking
            assert (await desk.astatus(f"t{turns}")).status == "completed", turns
            result = await desk.aresume(f"t{turns}")
            assert result.outputs == {"a": {"for": "a"}, "b": {"for": "b"}}


def test_i10_every_answer_reaches_its_question_and_no_other() -> None:
    """I10: right, repeated, foreign, stale and concurrent answers over threads, to the end."""
    run_state_machine_as_test(Answering, settings=draw_examples(12, stateful_step_count=20))
