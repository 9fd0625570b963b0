"""A temporary folder that does not outlive its program, however that ends."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "vdg-page-"
ENDINGS = ("SIGTERM", "SIGHUP")  # by which a service manager, and a closed terminal, end a program


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can read; it is deleted when the block ends.

    SIGTERM and SIGHUP end the block, too, with SystemExit. The folder of a program that was killed
    is deleted by the next call of the same user.
    """
    _remove_left()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    held = _hold(folder)
    before = {name: _exit_on(name) for name in ENDINGS if hasattr(signal, name)}
    try:
        yield folder
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def _exit_on(name: str):
    """Exit on a signal unless it is ignored, as under nohup. Returns the handler before."""
    number = getattr(signal, name)
    before = signal.getsignal(number)
    if before is not signal.SIG_IGN:
        signal.signal(number, _exit)
    return before


def _exit(number: int, _frame) -> None:
    for name in ENDINGS:  # a second one does not interrupt the deletion
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.exit(128 + number)


def _hold(folder: Path) -> int | None:
    """Lock a folder of this user until this process ends. None if it is another's or locked."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        # not through a link, which another user could have put there
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(handle).st_uid != os.getuid():
            raise PermissionError
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_left() -> None:
    """Delete the folders whose program has ended: nobody holds them any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        held = _hold(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)
