"""The pipeline's stages, run as `python -m stages.NAME` from the root of the repository.

The library is imported from ../src, not from an installation, so that an experiment that DVC runs
in a copy of the repository uses that copy's code.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

if sys.argv[0] == "-m":  # Python imports this package to run a stage
    from vdg import code

    code.remember()

    from vdg import cli
    from vdg.training import lifetime

    cli.imports_follow()
    lifetime.watch()
