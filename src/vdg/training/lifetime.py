"""Who may train where, and how long: one process per scratch folder, none after its DVC."""

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
    """Keep other processes out of `scratch` until this one ends or calls `release`.

    The lock is the system's, so that even SIGKILL frees it.
    Raises InputError that names the process which trains there.
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
    """Let other processes into `scratch` again."""
    if scratch in _held:
        _held.pop(scratch).release()


def orphaned() -> bool:
    """Whether DVC ran this process and was killed: nobody waits for the result any more.

    Without DVC never: a training under nohup outlives its shell on purpose.
    """
    return "DVC_STAGE" in os.environ and _ancestors(len(ANCESTORS)) != ANCESTORS


def _ancestors(count: int) -> list[int]:
    """The ids of this process's parent and, if `count` is 2, of the parent's parent."""
    found = [os.getppid()]
    with contextlib.suppress(psutil.Error):
        found += [psutil.Process(found[0]).ppid()] if count > 1 else []
    return found


def _through_a_shell() -> bool:
    """Whether a shell stands between: some replace themselves by their command, some wait."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(os.getppid()).name() in SHELLS
    return False


ANCESTORS = _ancestors(1 + _through_a_shell())  # when this process started
