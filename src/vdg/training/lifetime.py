"""Lifetime of a stage: it stops if its DVC is killed, and a training locks its scratch folder."""

import contextlib
import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from vdg.errors import InputError

SHELLS = ("sh", "ash", "bash", "busybox", "dash", "fish", "ksh", "zsh")
RELAUNCHED = "VDG_RELAUNCHED"
"""Environment variable of torchrun's processes where a stage, not the user, started torchrun."""
POLL, PATIENCE = 1, 600
"""Seconds between two looks at the ancestors; seconds that a training has for its checkpoint."""
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


def watch() -> None:
    """From now on, stop this process when those that started it are killed.

    Call it first of all: what was killed before cannot be noticed. A stage of DVC depends on DVC;
    a process of torchrun on torchrun and, if a stage started that, on the stage. Without any of
    them nothing is watched, because a training under nohup outlives its shell on purpose.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        count = 1 + (RELAUNCHED in os.environ)
    elif "DVC_STAGE" in os.environ:
        count = 1 + _through_a_shell()
    else:
        return
    threading.Thread(target=_stop_without, args=(_ancestors(count),), daemon=True).start()


def _stop_without(ancestors: list[int]) -> None:
    """Send SIGTERM, upon which a training saves a checkpoint, when an ancestor is gone."""
    while _ancestors(len(ancestors)) == ancestors:
        time.sleep(POLL)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)


def _ancestors(count: int) -> list[int]:
    """Process ids of the parent and, if `count` is 2, the grandparent."""
    ancestors = [os.getppid()]
    with contextlib.suppress(psutil.Error):
        ancestors += [psutil.Process(ancestors[0]).ppid()] if count > 1 else []
    return ancestors


def _through_a_shell() -> bool:
    """Whether the parent is a shell: some shells exec the command, others wait for it."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(os.getppid()).name() in SHELLS
    return False
