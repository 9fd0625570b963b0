"""Command-line code shared by all stages."""

import argparse
import gc
import os
import re
import signal
import sys
from collections.abc import Callable

from vdg.errors import InputError, StoppedError

# Threads that wait for others spin for some microseconds before they sleep: a hundred times longer,
# as by default, they take CPU time from other work; without it a small network that had the machine
# to itself trained for half as long again (docs/many-machines.md). GNU's OpenMP reads it as torch
# is imported, which every command line does after this module.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def arguments(doc: str, *names: str) -> argparse.Namespace:
    """Parse a stage's required arguments. names: any of "dataset", "network", "variant", "seed"."""
    parser = argparse.ArgumentParser(description=doc.strip().splitlines()[0])
    for name in names:
        parser.add_argument(f"--{name}", required=True, type=int if name == "seed" else str)
    return parser.parse_args()


def device(text: str) -> str:
    """argparse type of a device name."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is none of auto, cpu, cuda, cuda:1, mps")
    return text


def imports_follow() -> None:
    """Until `run`, exit at once on Ctrl-C, because imports take seconds and need no cleanup, and
    look for no garbage: of the millions of objects that they make, nearly all stay."""
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit_at_once)


def _exit_at_once(*_) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)


def run(main: Callable[[], None]) -> None:
    """Run a stage; an InputError is printed as one line and exits with status 1.

    Every command line accepts `--debug`, which shows the traceback instead.
    """
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ["VDG_DEBUG"] = "1"  # inherited by torchrun's processes
    _speak_utf8()
    if callable(signal.getsignal(signal.SIGINT)):  # nohup ignores SIGINT: keep it ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see imports_follow
    alone = not gc.isenabled()  # in a process of its own, see imports_follow
    if alone:
        gc.freeze()  # what was imported is never looked through again
        gc.enable()
    try:
        main()
    except InputError as error:
        if "VDG_DEBUG" in os.environ:
            raise
        sys.exit(f"error: {error}")
    except StoppedError as stopped:
        print(f"{stopped}; the same command goes on from there", file=sys.stderr)
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    if alone:
        gc.freeze()  # nor at the end, which takes half a second where main imported PyTorch


def _speak_utf8() -> None:
    """Write UTF-8 in any locale: tables contain arrows, and file names contain arbitrary bytes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # replacements by tests and notebooks lack it
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
