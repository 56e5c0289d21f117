"""What `module:attribute` names: a team, or a function that works for one.

Used by the command line and by the crash kit. Nothing here changes where modules are looked for.
"""

import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from traceback import extract_tb
from typing import Any

from interlock.contracts.errors import ConfigurationError, InterlockError
from interlock.contracts.ids import WorkerName
from interlock.contracts.worker import Worker
from interlock.orchestrator.facade import Orchestrator


def find_named_team(name: str) -> Orchestrator:
    """Return the team that `module:attribute` names.

    Args:
        name: The attribute is an `Orchestrator`, or a function without arguments that returns one.

    Raises:
        ConfigurationError: There is no such team; the message names what comes near.
    """
    return _build(name, find_named(name, what="team"))


def find_named_worker(name: str) -> Worker | str:
    """Return the worker that `module:attribute` names; a name without a colon is of the team's own.

    Args:
        name: The attribute is an `il.Worker`, or anything that can be the agent of one.

    Raises:
        ConfigurationError: There is no such thing; the message names what comes near.
    """
    if ":" not in name:
        return name
    found: Any = find_named(name, what="worker")
    if isinstance(found, Worker):
        return found
    return Worker(name=WorkerName(name.rpartition(":")[2].replace(".", "_")), agent=found)


def find_named(name: str, *, what: str) -> Any:  # noqa: ANN401 - whatever the user names
    """Return what `module:attribute` names.

    Args:
        name: The name.
        what: It should be, for messages.

    Raises:
        ConfigurationError: There is no such thing; the message names what comes near.
    """
    module_name, mark, path = name.partition(":")
    if not mark or not module_name or not path:
        raise ConfigurationError(
            f"The {what} {name!r} is not named as module:attribute. Write, for example, app:desk "
            "for the attribute `desk` of app.py in the current folder."
        )
    return _find(name, _import(module_name), path, what=what)


def _import(name: str) -> object:
    here = str(Path.cwd())
    try:
        return import_module(name)
    except InterlockError:
        raise
    except ModuleNotFoundError as exc:
        missing = exc.name or name
        if name != missing and not name.startswith(f"{missing}."):
            raise ConfigurationError(
                f"Module {name!r} needs the module {missing!r}, which is not installed here. "
                f"Install it, or run interlock in the environment that has it."
            ) from exc
        known = [module.name for module in iter_modules([here])]
        raise ConfigurationError(
            f"There is no module {name!r} in {here} or among the installed packages. "
            f"{_suggest(name, known, kind='Modules here')}"
        ) from exc
    except Exception as exc:
        place = extract_tb(exc.__traceback__)[-1]
        raise ConfigurationError(
            f"Module {name!r} cannot be imported: {type(exc).__name__}: {exc} "
            f"(in {place.filename}, line {place.lineno}). Correct it there."
        ) from exc


def _find(name: str, module: object, path: str, *, what: str) -> object:
    found = module
    for part in path.split("."):
        if not hasattr(found, part):
            teams = [key for key, item in vars(module).items() if isinstance(item, Orchestrator)]
            public = [key for key in vars(module) if not key.startswith("_")]
            near = get_close_matches(part, public, n=3, cutoff=0.5)
            raise ConfigurationError(
                f"The {what} {name!r} does not exist: {getattr(module, '__name__', module)} has no "
                f"{part!r}. {_suggest(part, near or teams or public, kind='It has')}"
            )
        found = getattr(found, part)
    return found


def _build(name: str, found: object) -> Orchestrator:
    if isinstance(found, Orchestrator):
        return found
    if not callable(found) or isinstance(found, type):
        raise ConfigurationError(
            f"{name!r} is {_word_kind(found)}, not a team. Name an il.Orchestrator, or a function "
            "without arguments that returns one."
        )
    try:
        built = found()
    except InterlockError:
        raise
    except Exception as exc:
        place = extract_tb(exc.__traceback__)[-1]
        where = f" (in {place.filename}, line {place.lineno})"
        raise ConfigurationError(
            f"The function {name!r} did not build a team: {type(exc).__name__}: {exc}"
            f"{where if place.filename != __file__ else ''}. It is called without arguments."
        ) from exc
    if isinstance(built, Orchestrator):
        return built
    if inspect.iscoroutine(built):
        built.close()  # nobody will await it
    raise ConfigurationError(
        f"The function {name!r} returned {_word_kind(built)}, not a team. Return an "
        "il.Orchestrator; build what it needs without awaiting."
    )


def _word_kind(value: object) -> str:
    return (
        f"the class {value.__name__!r}" if isinstance(value, type) else f"a {type(value).__name__}"
    )


def _suggest(name: str, known: Iterable[str], *, kind: str) -> str:
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(repr(item) for item in near)}?"
    shown = ", ".join(known[:12]) or "none"
    return f"{kind}: {shown}{', ...' if len(known) > 12 else ''}."  # noqa: PLR2004
