"""What `interlock replay` does: works on recorded briefs once more, one or many."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from pydantic import TypeAdapter, ValidationError

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.metrics import parse_instant
from interlock.cli.output import Output
from interlock.cli.team_loading import load_team
from interlock.console.clean_text import count_of
from interlock.console.json_lines import dump_value
from interlock.console.replay_page import draw_replay, draw_report
from interlock.contracts.clock import SystemClock
from interlock.contracts.criteria import Criterion, expr
from interlock.contracts.errors import ConfigurationError
from interlock.contracts.form_words import word_form_error
from interlock.contracts.replay import Replay, ReplayFailure, ReplayReport
from interlock.contracts.worker import Worker
from interlock.orchestrator import Orchestrator
from interlock.orchestrator.named_teams import find_named_worker

_TELL_EVERY: Final = 25
_CRITERIA: Final = TypeAdapter[list[Criterion]](list[Criterion])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What was typed.

    Attributes:
        step: Of this step.
        attempt: Of one step's attempts.
        worker: In the place of the recorded one.
        criteria: A file with others.
        since: Many: from then on.
        until: Many: before.
        most: Many: of these, the newest.
        at_once: Many: how many at a time.
        fails_on_change: Whether another verdict is a failure, and also that nothing was compared.
    """

    step: str | None = None
    attempt: int | None = None
    worker: str | None = None
    criteria: str | None = None
    since: str | None = None
    until: str | None = None
    most: int = 1000
    at_once: int = 4
    fails_on_change: bool = False


def replay(output: Output, *, commands: CommandLines, options: ReplayOptions) -> int:
    """Replay one attempt, or all of a window.

    Raises:
        ConfigurationError: What was typed does not go together.
    """
    if commands.team is None:
        raise ConfigurationError(
            "A replay needs the team's workers: name it with --team module:attribute."
        )
    desk = load_team(commands.team, storage=commands.storage)
    is_one = bool(commands.thread_id and options.step) and not (options.since or options.until)
    if options.attempt is not None and not is_one:
        raise ConfigurationError("--attempt is of one step: `interlock replay THREAD STEP`.")
    worker = None if options.worker is None else find_named_worker(options.worker)
    criteria = None if options.criteria is None else load_criteria(options.criteria)
    if is_one:
        return _replay_one(
            output, desk, commands, options=options, worker=worker, criteria=criteria
        )
    return _replay_many(output, desk, commands, options=options, worker=worker, criteria=criteria)


def _replay_one(
    output: Output,
    desk: Orchestrator,
    commands: CommandLines,
    *,
    options: ReplayOptions,
    worker: Worker | str | None,
    criteria: Sequence[Criterion] | None,
) -> int:
    async def body() -> Replay:
        async with desk:
            return await desk.areplay(
                commands.thread_id, str(options.step), options.attempt, worker, criteria
            )

    done = asyncio.run(body())
    output.show(draw_replay(done), data=dump_value(done))
    is_ok = done.change == "same" or not options.fails_on_change
    return ExitCode.COMPLETED if is_ok else ExitCode.FAILED


def _replay_many(
    output: Output,
    desk: Orchestrator,
    commands: CommandLines,
    *,
    options: ReplayOptions,
    worker: Worker | str | None,
    criteria: Sequence[Criterion] | None,
) -> int:
    now = SystemClock().now()
    since, until = (
        None if text is None else parse_instant(text, name=name, now=now)
        for text, name in ((options.since, "--since"), (options.until, "--until"))
    )
    done = 0

    def tell(one: Replay | ReplayFailure) -> None:
        nonlocal done
        del one
        done += 1
        if done % _TELL_EVERY == 0:
            output.complain(f"{done} replayed ...")

    async def body() -> ReplayReport:
        async with desk:
            return await desk.areplay_many(
                step=options.step,
                thread_id=commands.thread_id or None,
                since=since,
                until=until,
                worker=worker,
                criteria=criteria,
                most=options.most,
                at_once=options.at_once,
                tell=tell,
            )

    report = asyncio.run(body())
    data = {
        "compared": report.compared,
        "same": report.count("same"),
        "now_refused": report.count("now_refused"),
        "now_accepted": report.count("now_accepted"),
        "not_comparable": report.count("not_comparable"),
        "left_out": [dump_value(one) for one in report.left_out],
        "changed": [dump_value(one) for one in report.changed],
        "failures": [dump_value(one) for one in report.failures],
    }
    output.show(draw_report(report), data=data)
    return _judge(output, report) if options.fails_on_change else ExitCode.COMPLETED


def _judge(output: Output, report: ReplayReport) -> int:
    """Return whether a regression test is passed: no verdict is another, and that is known."""
    if report.compared == 0:
        output.complain(
            "Nothing was compared, so nothing is known: --fail-on-change leaves with 5."
        )
        return ExitCode.FAILED
    strangers = sum(bool(one.effects_refused) for one in report.replays)
    if strangers:
        output.complain(
            f"{count_of(strangers, 'attempt')} called for effects that are not recorded, so its "
            "verdict is not known: --fail-on-change leaves with 5."
        )
    return ExitCode.FAILED if report.changed or strangers else ExitCode.COMPLETED


def load_criteria(path: str) -> list[Criterion]:
    """Return the criteria of a YAML or JSON file: a list; a text in it is a CEL expression.

    Raises:
        ConfigurationError: It cannot be read, or holds no criteria.
    """
    try:
        held = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise ConfigurationError(f"The criteria file {path!r} cannot be read: {exc}") from exc
    if not isinstance(held, list) or not held:
        raise ConfigurationError(
            f"The file {path!r} holds {type(held).__name__}, not a list of criteria. Write a list of "
            "CEL expressions, such as `- output.cents > 0`, or of criteria as in task graphs, such as "
            "`- {kind: check, name: polite}`."
        )
    given = [expr(item).model_dump() if isinstance(item, str) else item for item in held]
    try:
        return _CRITERIA.validate_python(given)
    except ValidationError as exc:
        words = "; ".join(word_form_error(error) for error in exc.errors()[:3])
        raise ConfigurationError(f"The file {path!r} holds no criteria: {words}") from exc
