"""Which process is this, and does another one still live?"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_SAME_START_SECONDS: Final = 2.0
"""Start times are derived from the boot time, which clock corrections move a little."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, told apart from a later one with the same number.

    Attributes:
        host: The machine, and on Linux its boot and the process namespace on it.
        pid: The process number there.
        started: When it started, in seconds since the epoch.
    """

    host: str
    pid: int
    started: float

    def describe(self) -> str:
        """Return it in words, for a message."""
        return f"process {self.pid} on {self.host.partition('/')[0]}"


def identify_this_process() -> ProcessIdentity:
    """Return the identity of the calling process."""
    pid = os.getpid()
    return ProcessIdentity(_name_host(), pid, psutil.Process(pid).create_time())


def is_surely_dead(process: ProcessIdentity, *, seen_from: ProcessIdentity) -> bool:
    """Return whether a process is known to have ended; False when it cannot be known from here."""
    if process.host != seen_from.host:
        return False
    try:
        found = psutil.Process(process.pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(found.create_time() - process.started) > _SAME_START_SECONDS
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _name_host() -> str:
    """Name the machine so that machines and containers with one host name are told apart.

    The boot id differs between machines, and the process namespace between containers on one.
    After a reboot a machine has another name: it waits until its old leases expire.
    """
    namespace, boot = Path("/proc/self/ns/pid"), Path("/proc/sys/kernel/random/boot_id")
    if not namespace.exists() or not boot.exists():
        return socket.gethostname()
    booted = boot.read_bytes().decode().strip()
    return f"{socket.gethostname()}/{namespace.stat().st_ino}/{booted}"
