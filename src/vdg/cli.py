"""What every stage's command line has in common."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable

from vdg.errors import InputError, StoppedError


def arguments(doc: str, *names: str) -> argparse.Namespace:
    """Parse the matrix arguments of a stage: `names` of dataset, network, variant, seed."""
    parser = argparse.ArgumentParser(description=doc.strip().splitlines()[0])
    for name in names:
        parser.add_argument(f"--{name}", required=True, type=int if name == "seed" else str)
    return parser.parse_args()


def device(text: str) -> str:
    """The type of an argument that names a device."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is none of auto, cpu, cuda, cuda:1, mps")
    return text


def run(main: Callable[[], None]) -> None:
    """Run a stage; what a user can mend is one line and status 1, not a traceback.

    `--debug`, which every command line takes, shows the traceback all the same.
    """
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ["VDG_DEBUG"] = "1"  # seen by the processes that torchrun starts, too
    _speak_utf8()
    if callable(signal.getsignal(signal.SIGINT)):  # else ignored, under nohup
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see stages/__init__.py
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


def _speak_utf8() -> None:
    """Write UTF-8 whatever the locale says: tables hold arrows, and names of files anything."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not what a test or a notebook puts there
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
