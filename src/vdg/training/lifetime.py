"""Lifetime of a training process: it locks its scratch folder and stops if its DVC is killed."""

import contextlib
import os
import socket
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from vdg.errors import InputError

SHELLS = ("sh", "ash", "bash", "busybox", "dash", "fish", "ksh", "zsh")
_held: dict[Path, FileLock] = {}


def hold(scratch: Path) -> None:
    """Lock `scratch` against other processes until this one ends or calls `release`.

    The lock is held by the operating system, which frees it even after SIGKILL.
    Raises InputError with the name of the process that holds the lock.
    """
    if scratch in _held:
        return
    lock, holder = FileLock(scratch / ".lock"), scratch / ".holder"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
    except Timeout as error:
        who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        raise InputError(
            f"{who} trains this run already, in {scratch}: wait for it, or end it with SIGTERM, "
            "upon which it saves a checkpoint, and run again"
        ) from error
    except OSError as error:
        raise InputError(f"cannot write {scratch}: {error.strerror or error}") from error
    _held[scratch] = lock


def release(scratch: Path) -> None:
    """Unlock `scratch`."""
    if scratch in _held:
        _held.pop(scratch).release()


def orphaned() -> bool:
    """Whether DVC started this process and was killed, so that the result is no longer needed.

    Always false without DVC, because a training under nohup outlives its shell on purpose.
    """
    return "DVC_STAGE" in os.environ and _ancestors(len(ANCESTORS)) != ANCESTORS


def _ancestors(count: int) -> list[int]:
    """Process ids of the parent and, if `count` is 2, the grandparent."""
    found = [os.getppid()]
    with contextlib.suppress(psutil.Error):
        found += [psutil.Process(found[0]).ppid()] if count > 1 else []
    return found


def _through_a_shell() -> bool:
    """Whether the parent is a shell: some shells exec the command, others wait for it."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(os.getppid()).name() in SHELLS
    return False


ANCESTORS = _ancestors(1 + _through_a_shell())  # at the start of this process
