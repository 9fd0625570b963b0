"""The pipeline's stages, run as `python -m stages.NAME` from the repository's root.

The library is found beside this folder, not through an install: an experiment that DVC runs in a
copy of the repository then uses that copy's code.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))


def _stop(*_):
    """Ctrl-C while torch is imported, which takes seconds: there is nothing to tidy up yet."""
    os.write(2, b"interrupted\n")
    os._exit(130)


# "-m": this package is being imported on the way to the stage that is run; `cli.run` takes over
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _stop)
