"""What `interlock export` does: writes a recorded handoff as a pytest case."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from interlock.cli.command_lines import CommandLines
from interlock.cli.exit_codes import ExitCode
from interlock.cli.output import Output
from interlock.cli.reading import read
from interlock.contracts.errors import ConfigurationError
from interlock.orchestrator.exporting import export_case
from interlock.orchestrator.recorded_attempts import load_recorded
from interlock.orchestrator.redaction import redact


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What was typed.

    Attributes:
        step: The step, by path.
        attempt: From 1; the last if left out.
        path: Of the test file; to stdout if left out.
        worker: Who works in the test.
        expects: `accepted` or `refused`, if not as recorded.
        hidden: Names whose values are hidden.
        overwrites: Whether files that are there are written over.
    """

    step: str
    attempt: int | None = None
    path: str | None = None
    worker: str | None = None
    expects: str | None = None
    hidden: Sequence[str] = ()
    overwrites: bool = False


def export(output: Output, *, commands: CommandLines, options: ExportOptions) -> int:
    """Write the case.

    Raises:
        ConfigurationError: It cannot be written, or what was typed does not go together.
    """
    if commands.team is None:
        raise ConfigurationError(
            "The case imports the team whose worker it tests: name it with --team module:attribute."
        )
    if options.expects not in {None, "accepted", "refused"}:
        raise ConfigurationError(
            f"--expect is {options.expects!r}. Say `accepted` or `refused`, or leave it out."
        )
    recording = read(
        commands,
        lambda storage: load_recorded(
            storage, commands.thread_id, options.step, attempt=options.attempt
        ),
    )
    if options.hidden:
        recording = redact(recording, options.hidden)
    path = None if options.path is None else Path(options.path)
    data_name = f"{path.stem if path is not None else 'recording'}.json"
    case = export_case(
        recording,
        team=commands.team,
        data_name=data_name,
        worker=options.worker,
        expects_accepted=None if options.expects is None else options.expects == "accepted",
    )
    if path is None:
        if case.data is not None:
            raise ConfigurationError(
                "The recording is too big to be printed: name a file with -o. It gets a JSON file "
                "beside it."
            )
        output.stdout.write(case.text)
        return ExitCode.COMPLETED
    files = {path: case.text}
    if case.data is not None:
        files[path.with_name(data_name)] = case.data
    _write(files, overwrites=options.overwrites)
    names = " and ".join(str(name) for name in files)
    output.show(
        Text(f"Written: {names}. Run it with `pytest {path}`."),
        data={"files": [str(name) for name in files]},
    )
    return ExitCode.COMPLETED


def _write(files: dict[Path, str], *, overwrites: bool) -> None:
    there = [str(path) for path in files if path.exists()]
    if there and not overwrites:
        raise ConfigurationError(
            f"{', '.join(there)} is there already. Name another file, or write over it with --force."
        )
    try:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(f"{exc.filename} cannot be written: {exc.strerror}.") from exc
