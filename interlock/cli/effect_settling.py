"""A person's word on an effect whose outcome nobody knew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.effects import dump_effect, require_thread
from interlock.cli.exit_codes import ExitCode
from interlock.cli.given_values import parse_json_argument
from interlock.cli.output import Output
from interlock.cli.reading import TEAM_NOTE, read
from interlock.console.clean_text import clean_text, count_of
from interlock.console.command_line import draw_command
from interlock.console.effect_page import draw_settled
from interlock.contracts.effect_ledger import ListEffects, SettleEffect
from interlock.contracts.effects import EffectRecord
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.ids import IdempotencyKey, QuestionId, ThreadId
from interlock.contracts.outcome import TERMINAL_RUN_STATUSES
from interlock.contracts.plain import Plain, parse_plain
from interlock.contracts.question import Answer, approve, edit, reject
from interlock.contracts.storage import Storage

_NO_REASON: Final = "a person said that it did not happen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a person says about an unknown effect.

    Attributes:
        key: Of the effect, or how it begins.
        happened: Whether it happened.
        has_answer: Whether the person knows what the tool answered.
        answer: What it answered.
        why: How the person knows.
    """

    key: str
    happened: bool
    has_answer: bool
    answer: Plain
    why: str

    def word_answer(self) -> Answer:
        """Return the same as the answer to a question that asks about the effect."""
        if not self.happened:
            return reject(self.why or _NO_REASON)
        return edit(self.answer) if self.has_answer else approve()


def parse_settlement(
    key: str, *, happened: bool, not_happened: bool, answer: str | None, why: str
) -> Settlement:
    """Return what a person says, from the options given.

    Raises:
        ConfigurationError: They do not fit together.
        PlainValueError: The answer cannot be stored.
    """
    if happened == not_happened:
        seen = "both" if happened else "neither"
        raise ConfigurationError(
            f"Say whether the effect happened: give --happened or --not-happened; seen: {seen}."
        )
    if answer is not None and not happened:
        raise ConfigurationError(
            "--answer is what the tool answered, so it needs --happened. Leave it out, or say "
            "--happened."
        )
    if not key:
        raise ConfigurationError("The KEY is empty. Give the effect's key, or how it begins.")
    value = None if answer is None else parse_json_argument(answer, name="--answer")
    return Settlement(
        key=key,
        happened=happened,
        has_answer=answer is not None,
        answer=parse_plain(value, name="--answer"),
        why=why.strip(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """What is recorded now, and how it goes on.

    Attributes:
        effect: As it stands.
        answered: Questions about it that were answered with it.
        unknown: How many effects of the thread are still unknown.
        run_status: Of the thread's run; None if it has none.
        owner: Who runs the thread now; None if nobody does.
    """

    effect: EffectRecord
    answered: Sequence[QuestionId]
    unknown: int
    run_status: str | None
    owner: str | None


def settle_effect(output: Output, *, commands: CommandLines, settlement: Settlement) -> int:
    """Settle an unknown effect, answer the question about it, and say how to go on."""
    settled = read(commands, lambda storage: _settle(storage, commands.thread_id, settlement))
    next_line = _find_next(settled, commands)
    page = Group(
        draw_settled(settled.effect, happened=settlement.happened),
        *_draw_answered(settled.answered),
        *_draw_next(settled, commands, next_line),
    )
    data = {
        "effect": dump_effect(settled.effect),
        "answered": list(settled.answered),
        "unknown": settled.unknown,
        "next": next_line,
    }
    output.show(page, data=data)
    return ExitCode.COMPLETED


async def _settle(storage: Storage, thread: str, settlement: Settlement) -> _Settled:
    """Settle first, so that whoever is told the answer finds the effect settled."""
    thread_id = ThreadId(thread)
    await require_thread(storage, thread_id)
    effect = await storage.ledger.apply(
        SettleEffect(
            thread_id=thread_id,
            key=IdempotencyKey(settlement.key),
            happened=settlement.happened,
            answer=settlement.answer,
            why=settlement.why,
        )
    )
    asked = [
        question.id
        for question in await storage.list_questions(thread_id)
        if question.kind == "effect" and _get_key(question.args) == effect.key
    ]
    if asked:
        await storage.record_answers(thread_id, dict.fromkeys(asked, settlement.word_answer()))
    listed = await storage.ledger.apply(ListEffects(thread_id=thread_id))
    run = await storage.load_run(thread_id)
    lease = await storage.find_lease(thread_id)
    return _Settled(
        effect=effect,
        answered=asked,
        unknown=sum(one.state == "unknown" for one in listed),
        run_status=run.status if run is not None else None,
        owner=lease.owner if lease is not None else None,
    )


def _get_key(args: Plain) -> object:
    return args.get("key") if isinstance(args, Mapping) else None


def _find_next(settled: _Settled, commands: CommandLines) -> str | None:
    """Return the line to type next: settle the rest, look on, or resume the run."""
    if settled.unknown:
        return commands.effects()
    if settled.run_status is None or settled.run_status in TERMINAL_RUN_STATUSES:
        return None
    return commands.resume() if settled.owner is None else commands.status()


def _draw_answered(answered: Sequence[QuestionId]) -> list[Text]:
    return [Text(f"Question {one} asked about it and is answered so.") for one in answered]


def _draw_next(
    settled: _Settled, commands: CommandLines, line: str | None
) -> Sequence[RenderableType]:
    if line is None:
        return ()
    if settled.unknown:
        words = f"{count_of(settled.unknown, 'effect')} more to be settled. See:"
    elif settled.owner is not None:
        words = f"The run is under way, by {clean_text(settled.owner)}. See:"
    else:
        words = "Go on with the run:"
    is_filled = commands.team is not None or settled.unknown or settled.owner is not None
    note = () if is_filled else (Text(TEAM_NOTE, style="dim"),)
    return (Text(words), draw_command(line), *note)
