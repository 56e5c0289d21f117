import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from interlock.checkpoints.process_identity import identify_this_process, is_surely_dead

THIS = identify_this_process()


def test_live_process_is_not_dead() -> None:
    """A process that runs is not taken for dead, also if the clock moved its start a little."""
    assert not is_surely_dead(THIS, seen_from=THIS)
    assert not is_surely_dead(replace(THIS, started=THIS.started + 1), seen_from=THIS)


def test_ended_process_is_dead() -> None:
    """A process number that nobody has any more belongs to a dead process."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert is_surely_dead(replace(THIS, pid=process.pid), seen_from=THIS)


def test_reused_process_number_is_told_apart() -> None:
    """A later process of the same number is another process."""
    assert is_surely_dead(replace(THIS, started=THIS.started - 3600), seen_from=THIS)


def test_process_elsewhere_is_never_called_dead() -> None:
    """What runs on another machine cannot be seen from here."""
    assert not is_surely_dead(replace(THIS, host="elsewhere", pid=1), seen_from=THIS)


def test_machines_of_one_name_are_told_apart() -> None:
    """On Linux the name of a machine holds its boot: two with one host name have different ones."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.exists():
        assert THIS.host.endswith(boot.read_text(encoding="ascii").strip())
    assert "/" not in THIS.describe().partition(" on ")[2]
