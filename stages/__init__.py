"""The pipeline's stages, run as `python -m stages.NAME` from the repository's root.

The library is found beside this folder, not through an install: an experiment that DVC runs in a
copy of the repository then uses that copy's code.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
