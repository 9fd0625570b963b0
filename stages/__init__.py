"""The pipeline's stages, run as `python -m stages.NAME` from the root of the repository.

The library is imported from ../src, not from an installation, so that an experiment that DVC runs
in a copy of the repository uses that copy's code.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))


def _stop(*_):
    """Exit at once on Ctrl-C during imports, which take seconds and need no cleanup."""
    os.write(2, b"interrupted\n")
    os._exit(130)


if sys.argv[0] == "-m":  # Python imports this package to run a stage
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)  # until `cli.run` replaces it
    from vdg.training import lifetime

    lifetime.watch()
